import t from 'tap'
import { isWorse, requestsOf } from './error-rate.ts'

t.test('requests are added up over replicas, without those of the platform', async (t) => {
  const page = `# TYPE http_request_duration_seconds histogram
http_request_duration_seconds_bucket{method="GET",route="/users/:id",status="200",le="0.001"} 90
http_request_duration_seconds_count{method="GET",route="/users/:id",status="200"} 100
http_request_duration_seconds_count{method="GET",route="/users/:id",status="503"} 2
http_request_duration_seconds_count{method="POST",route="/users",status="422"} 5
http_request_duration_seconds_count{method="GET",route="/health",status="200"} 1000
http_request_duration_seconds_count{method="GET",route="/ready",status="503"} 9
`
  t.same(requestsOf([page, page]), { total: 214, failed: 4 })
  t.same(requestsOf(['']), { total: 0, failed: 0 })
})

t.test('a release is worse when it fails more often than the one beside it', async (t) => {
  const of = (failed: number, total: number) => ({ failed, total })
  for (const [fresh, old, worse] of [
    [of(0, 0), of(0, 0), false],
    [of(0, 500), of(500, 500), false],
    [of(6, 500), of(0, 500), true],
    [of(5, 500), of(0, 500), false],
    // Few callers: one failure of a hundred may be chance, one of one is all there is.
    [of(1, 60), of(0, 60), false],
    [of(1, 1), of(0, 1), true],
    [of(2, 4), of(0, 0), true],
    // The database is unavailable for both.
    [of(100, 500), of(98, 500), false],
    [of(250, 500), of(98, 500), true],
  ] as const)
    t.equal(isWorse(fresh, old), worse, `${fresh.failed}/${fresh.total} beside ${old.failed}/${old.total}`)
})
