import t from 'tap'
import { createPermits } from './permits.ts'

const turn = () => new Promise(setImmediate)

t.test('runs as many at once as there are permits, the others in their order', async (t) => {
  const permits = createPermits(2)
  const started: number[] = []
  const ends: (() => void)[] = []
  const work = (name: number) => () => {
    started.push(name)
    return new Promise<void>((resolve) => ends.push(resolve))
  }
  const all = [1, 2, 3, 4].map((name) => permits.run(work(name)))
  await turn()
  t.same(started, [1, 2])
  ends[1]?.()
  await turn()
  t.same(started, [1, 2, 3])
  ends[0]?.()
  ends[2]?.()
  await turn()
  t.same(started, [1, 2, 3, 4])
  ends[3]?.()
  await Promise.all(all)
})

t.test('work that fails gives its permit back', async (t) => {
  const permits = createPermits(1)
  await t.rejects(
    permits.run(async () => {
      throw new Error('no')
    }),
    { message: 'no' },
  )
  t.equal(await permits.run(async () => 1), 1)
})
