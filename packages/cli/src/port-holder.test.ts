import { createServer } from 'node:net'
import t from 'tap'
import { holderOfPort } from './index.ts'

const skip = process.platform === 'linux' ? false : 'only Linux has /proc'

for (const host of ['127.0.0.1', '::']) {
  t.test(`the process that listens on ${host} is found, and none once it is closed`, { skip }, async (t) => {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, host, resolve))
    const address = server.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    t.match(holderOfPort(port), new RegExp(`^process ${process.pid} \\(.*node`))
    await new Promise((resolve) => server.close(resolve))
    t.equal(holderOfPort(port), undefined)
  })
}
