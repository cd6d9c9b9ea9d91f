import { logsRequests } from '../src/proofs/process.ts'
import { answeredFrom } from '../src/proofs/replies.ts'
import type { Scenario } from '../src/run/scenario.ts'
import { LINKS } from './links.ts'
import { hotUsers } from './requests.ts'
import { tuned, withSettings } from './variants.ts'

export const requestLogging: Scenario = {
  name: 'request-logging',
  title: 'A log line per request',
  about: 'GET /users/:id from tier 1, without and with a JSON log line for each request, written to a file.',
  guide: 'Production Considerations › Monitoring Production Performance',
  links: LINKS.requestLog,
  service: 'reference-api',
  inDefaultRun: false,
  primary: 'throughput',
  connections: 32,
  requests: hotUsers,
  tuned: tuned([answeredFrom('l1'), logsRequests(false)]),
  variants: [withSettings({ REQUEST_LOG: 'on' }, 'no log line per request', [answeredFrom('l1')])],
}
