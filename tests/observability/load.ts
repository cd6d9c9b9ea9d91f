import { setTimeout as sleep } from 'node:timers/promises'

/**
 * Sends light load: every kind of request several times a second, errors included, so that each series has samples.
 *
 * @returns a function that stops it
 */
export function startLoad(url: string, token: string | undefined): () => Promise<void> {
  const write = {
    'content-type': 'application/json',
    ...(token !== undefined && { authorization: `Bearer ${token}` }),
  }
  let turn = 0
  let running = true
  const calls: (() => Promise<Response>)[] = [
    () => fetch(`${url}/users/${1 + (turn % 50)}`),
    () => fetch(`${url}/users/${1 + (turn % 100)}`),
    // Most reads are of rows that do not change. Otherwise LowCacheHitRate would fire, correctly.
    ...Array.from({ length: 8 }, () => () => fetch(`${url}/users/${50 + (turn % 20)}`)),
    () => fetch(`${url}/users?limit=20`),
    () => fetch(`${url}/orders?limit=20`),
    () => fetch(`${url}/products/${1 + (turn % 100)}`),
    () => fetch(`${url}/users/999999`),
    () => fetch(`${url}/all?limit=2`),
    () => fetch(`${url}/aggregate?limit=2`),
    () => fetch(`${url}/parallel/users/${1 + (turn % 50)}`),
    () => fetch(`${url}/nothing-here`),
    () =>
      fetch(`${url}/users/${1 + (turn % 20)}`, {
        method: 'PATCH',
        headers: write,
        body: JSON.stringify({ name: `Name ${turn}` }),
      }),
    () => fetch(`${url}/process-data`, { method: 'POST', headers: write, body: JSON.stringify({ turn }) }), // part:jobs
    () => (turn % 10 === 0 ? fetch(`${url}/report`) : fetch(`${url}/users/1`)),
  ]
  const loop = async () => {
    while (running) {
      for (const call of calls) {
        turn++
        await call()
          .then((response) => response.arrayBuffer())
          .catch(() => {})
        await sleep(15)
      }
    }
  }
  const ended = loop()
  return async () => {
    running = false
    await ended
  }
}
