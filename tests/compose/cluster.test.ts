import t from 'tap'
import { until } from './docker.ts'
import { createStack } from './stack.ts'

t.setTimeout(240_000)

const nodes = [1, 2, 3, 4, 5, 6].map((number) => `redis-${number}`)

t.test('the Redis Cluster comes back whole after down and up with other addresses', async (t) => {
  const stack = await createStack('cluster', ['cluster'])
  t.teardown(() => stack.down())
  const cli = async (node: string, command: string) =>
    stack.compose([
      ...['exec', '-T', node, 'sh', '-c'],
      `REDISCLI_AUTH=$(cat /run/secrets/redis_password) redis-cli ${command}`,
    ])
  const up = async () => {
    await stack.compose(['up', '--detach', '--wait', '--wait-timeout', '120', ...nodes], 150)
    await stack.compose(['run', '--rm', '--no-deps', 'redis-cluster']).catch(async (error: Error) => {
      const views = nodes.map(async (node) => `${node}:\n${await cli(node, 'CLUSTER NODES')}`)
      throw new Error(`${error.message}\n${(await Promise.all(views)).join('\n')}`, { cause: error })
    })
  }
  const isWhole = async () => {
    for (const node of nodes) {
      const info = await cli(node, 'CLUSTER INFO')
      const view = await cli(node, 'CLUSTER NODES')
      if (!/cluster_state:ok/.test(info) || !/cluster_slots_ok:16384/.test(info)) return false
      if (view.trim().split('\n').length !== 6 || /fail|handshake|noaddr|disconnected/.test(view))
        return false
    }
    return true
  }
  /** What stays: id, name and slots; and where the nodes are. */
  const view = async () => {
    const rows = (await cli('redis-1', 'CLUSTER NODES'))
      .trim()
      .split('\n')
      .map((line) => line.split(' '))
    return {
      ids: rows.map(([id, at]) => `${id} ${at?.split(',')[1]}`).sort(),
      slots: rows
        .flatMap(([id, , , , , , , , ...slots]) => (slots.length > 0 ? [`${id} ${slots}`] : []))
        .sort(),
      addresses: rows.map(([id, at]) => `${id} ${at?.split(':')[0]}`).sort(),
    }
  }

  await up()
  await until('the cluster is whole', isWhole)
  const before = await view()
  t.equal(before.slots.length, 3, 'three masters hold all slots')
  t.match(await cli('redis-1', '-c SET {a}key value'), /OK/)
  t.match(await cli('redis-1', 'CLUSTER SLOTS'), /redis-2/, 'the cluster announces host names')

  await stack.compose(['run', '--rm', '--no-deps', 'redis-cluster'])
  t.same((await view()).slots, before.slots, 'the script that makes it does nothing the second time')

  await stack.compose(['down', '--timeout', '10'])
  // Started in another order, which gives other addresses.
  await stack.compose(['up', '--detach', '--no-deps', 'secrets'])
  for (const node of [...nodes].reverse()) await stack.compose(['up', '--detach', '--no-deps', node])
  await up()
  await until('it is whole again', isWhole, 90)
  const after = await view()
  t.same(after.ids, before.ids, 'the same nodes under the same names')
  t.same(after.slots, before.slots, 'each with its slots')
  t.not(after.addresses.join(), before.addresses.join(), 'at other addresses')
  t.match(await cli('redis-1', '-c SET {a}key again'), /OK/)
})
