/** One setting that is wrong, and why. Never holds the value of a secret. */
export interface Fault {
  readonly name: string
  readonly message: string
}

/** The environment is wrong; holds every fault, not only the first. */
export class ConfigError extends Error {
  readonly code = 'CONFIG_INVALID'
  readonly faults: readonly Fault[]

  constructor(faults: readonly Fault[]) {
    super(`wrong settings:\n${faults.map(({ name, message }) => `  ${name}: ${message}`).join('\n')}`)
    this.name = 'ConfigError'
    this.faults = faults
  }
}

/** `EX_CONFIG` of sysexits.h: the process ends because of its settings, so a restart will not help. */
export const EXIT_CONFIG = 78

/** `EX_TEMPFAIL` of sysexits.h: what the start needs is away; a restart may find it. */
export const EXIT_TEMPORARY = 75
