import type { SystemsOptions } from '../systems.ts'

/** Options for every system, all on one port of this machine. */
export function allSystemsOn(port: number): Required<SystemsOptions> {
  return {
    mysqlUrl: `mysql://app:secret@127.0.0.1:${port}/app`,
    mongodbUrl: `mongodb://app:secret@127.0.0.1:${port}/app`,
    rabbitmqUrl: `amqp://app:secret@127.0.0.1:${port}`,
    vaultAddress: `http://127.0.0.1:${port}`,
  }
}
