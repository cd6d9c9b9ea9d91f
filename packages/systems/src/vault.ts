import { Agent as HttpAgent, request as httpRequest } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { type Open, probeError } from '@reference/probes'

/** States that `/v1/sys/health` answers besides 200: https://developer.hashicorp.com/vault/api-docs/system/health */
const STATES = new Map([
  [501, 'NOT_INITIALIZED'],
  [503, 'SEALED'],
  [530, 'REMOVED_FROM_CLUSTER'],
])
/** A standby forwards requests to the active node, so it counts as healthy. */
const PATH = '/v1/sys/health?standbyok=true&perfstandbyok=true&drsecondarycode=200'

/** Probes Vault by its health endpoint. */
export const openVault =
  (address: string): Open =>
  async () => {
    const url = new URL(PATH, address)
    const secure = url.protocol === 'https:'
    const agent = new (secure ? HttpsAgent : HttpAgent)({ keepAlive: true, maxSockets: 1 })
    const send = secure ? httpsRequest : httpRequest
    return {
      ask: () =>
        new Promise<void>((resolve, reject) => {
          send(url, { agent }, (response) => {
            const { statusCode = 0 } = response
            response.resume().on('error', reject)
            response.on('end', () => {
              if (statusCode === 200) return resolve()
              reject(
                probeError(STATES.get(statusCode) ?? `HTTP_${statusCode}`, `Vault answered ${statusCode}`),
              )
            })
          })
            .on('error', reject)
            .end()
        }),
      destroy: () => agent.destroy(),
    }
  }
