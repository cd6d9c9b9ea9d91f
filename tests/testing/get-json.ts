import { request } from 'node:http'

/** GET on a connection of its own. */
export function getJson(
  origin: string,
  path: string,
): Promise<{ status: number; body: ReturnType<typeof JSON.parse> }> {
  return new Promise((resolve, reject) => {
    request(`${origin}${path}`, { agent: false }, async (response) => {
      let text = ''
      for await (const part of response) text += part
      resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) })
    })
      .on('error', reject)
      .end()
  })
}
