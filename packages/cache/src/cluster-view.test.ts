import t from 'tap'
import { parseNodes } from './cluster-view.ts'

t.test('CLUSTER NODES is parsed to the owners of slots, their living replicas and the epoch', async (t) => {
  const text = [
    'a1 127.0.0.1:7000@17000,host-a myself,master - 0 0 1 connected 0-5460 5470 [93-<-b2]',
    'b2 ::1:7001@17001,,tls-port=0,shard-id=5f master - 0 0 8 connected 5461-5469',
    'c3 127.0.0.1:7002@17002 master,fail - 0 0 3 disconnected',
    'd4 127.0.0.1:7003@17003 slave a1 0 0 1 connected',
    'e5 127.0.0.1:7004@17004 slave,fail? a1 0 0 1 connected',
    'f6 127.0.0.1:7005@17005 slave,fail b2 0 0 8 disconnected',
  ].join('\n')
  t.same(parseNodes(text, 'asked'), {
    epoch: 8,
    masters: [
      {
        host: '127.0.0.1',
        hostname: 'host-a',
        port: 7000,
        slots: [
          [0, 5460],
          [5470, 5470],
        ],
        replicas: 2,
      },
      { host: '::1', port: 7001, slots: [[5461, 5469]], replicas: 0 },
    ],
  })
  t.equal(
    parseNodes('a1 :7000@17000 myself,master - 0 0 1 connected 0-16383', 'asked').masters[0]?.host,
    'asked',
  )
})
