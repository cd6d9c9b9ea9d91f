import { abortable } from '@reference/async'
import type { Open } from '@reference/probes'

/** Probes MySQL: a login, then `SELECT 1`. */
export const openMysql =
  (url: string): Open =>
  async (signal, onLost) => {
    const { default: mysql } = await import('mysql2')
    signal.throwIfAborted()
    const connection = mysql.createConnection({ uri: url })
    // An 'error' event without a listener would end the process.
    connection.on('error', onLost).on('end', onLost)
    const call = (send: (done: (error: Error | null) => void) => unknown) =>
      new Promise<void>((resolve, reject) => send((error) => (error ? reject(error) : resolve())))
    const destroy = () => connection.destroy()
    try {
      await abortable(
        call((done) => connection.connect(done)),
        signal,
      )
    } catch (error) {
      destroy()
      throw error
    }
    return { ask: () => call((done) => connection.query('SELECT 1', done)), destroy }
  }
