import { AppError } from '@reference/errors'

/** A wrong setting with the reason. Never contains the value of a secret. */
export interface Fault {
  readonly name: string
  readonly message: string
}

/** The environment has wrong settings; contains every fault, not only the first. */
export class ConfigError extends AppError<'CONFIG_INVALID'> {
  readonly faults: readonly Fault[]

  constructor(faults: readonly Fault[]) {
    const lines = faults.map(({ name, message }) => `  ${name}: ${message}`)
    super('CONFIG_INVALID', 500, `wrong settings:\n${lines.join('\n')}`)
    this.faults = faults
  }
}

/** `EX_CONFIG` of sysexits.h: the process ends because of its settings, so a restart will not help. */
export const EXIT_CONFIG = 78

/** `EX_TEMPFAIL` of sysexits.h: a system that the start needs is unavailable; a later start may succeed. */
export const EXIT_TEMPORARY = 75
