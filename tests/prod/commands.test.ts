import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { theProduction } from './production.ts'
import { everything, tagRelease } from './releases.ts'
import { underLoad } from './under-load.ts'

const { production, prod, startProd, ask } = theProduction()

const images = async () => [...new Set((await everything()).flat().map(({ image }) => image.split(':')[1]))]

t.test('a second concurrent deploy is refused, and Ctrl-C rolls the first one back', async (t) => {
  const tag = await tagRelease('interrupted')
  const before = await everything()
  const { failures } = await underLoad('a deploy interrupted after an old replica had stopped', async () => {
    const first = startProd(['deploy', '--tag', tag])
    await first.printed('new replicas beside')
    for (const line of [['deploy', '--tag', tag], ['scale', '5'], ['down']]) {
      const { code, output } = await prod(...line)
      t.equal(code, 1, line.join(' '))
      t.match(output, /^pnpm prod deploy runs already \(process \d+\)/)
    }
    await first.printed('stops ')
    await sleep(1000)
    first.child.kill('SIGINT')
    const { code, output } = await first.ended
    t.equal(code, 1)
    t.match(output, 'the release before it is: interrupted')
  })
  t.same(failures, [])
  t.same(await everything(), before, 'the same containers as before')
})

t.test('the next command rolls back a deploy that was killed', async (t) => {
  const tag = await tagRelease('killed')
  const before = await everything()
  const { failures } = await underLoad('a deploy killed after an old replica had stopped', async () => {
    const deploy = startProd(['deploy', '--tag', tag])
    await deploy.printed('stops ')
    await sleep(3000)
    deploy.child.kill('SIGKILL')
    await deploy.ended
    t.not((await everything()).flat().length, before.flat().length, 'both releases are there')
    const { code, output } = await prod('scale', '3')
    t.equal(code, 0, output)
    t.match(output, `undoes the deploy of ${tag} that broke off`)
  })
  t.same(failures, [])
  t.same(await everything(), before, 'the same containers as before')
})

t.test('the next deploy completes a deploy that was killed after its release was in service', async (t) => {
  const [first, second] = [await tagRelease('first'), await tagRelease('second')]
  const { code } = await prod('deploy', '--tag', first)
  t.equal(code, 0)
  t.same(await images(), [first])
  // The state between the two steps: the release is in service, and the old containers still exist.
  const old = (await everything()).flat().map(({ id }) => id)
  production.state.setDeployment({ tag: first, old: [], inService: true })
  const { failures } = await underLoad('a deploy after one that broke off', async () => {
    const next = await prod('deploy', '--tag', second)
    t.equal(next.code, 0, next.output.slice(-2000))
    t.match(next.output, `ends the deploy of ${first} that broke off`)
  })
  t.same(failures, [])
  t.same(await images(), [second])
  const left = (await everything()).flat()
  t.equal(left.length, 6)
  for (const { id } of left) t.notOk(old.includes(id))
})

t.test('down keeps the data, and up brings back the release that was in service', async (t) => {
  const release = await images()
  const rows = () => ask('SELECT count(*) FROM orders')
  const before = await rows()
  t.equal((await prod('down')).code, 0)
  t.same((await everything()).flat(), [])
  const { code, output } = await prod('up')
  t.equal(code, 0, output.slice(-2000))
  t.same(await images(), release)
  t.equal(await rows(), before)
})
