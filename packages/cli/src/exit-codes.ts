/** Exit codes of every command, from BSD's sysexits.h where they exceed 1. */
export const EXIT_CODES = {
  OK: 0,
  /** The command ran and failed: the database refused, a check found a fault. */
  FAILED: 1,
  /** EX_USAGE: wrong arguments. */
  USAGE: 64,
  /** EX_UNAVAILABLE: a program that the command needs is missing, such as a Docker engine. */
  UNAVAILABLE: 69,
  /** EX_SOFTWARE: a bug in the command itself. Its stack is printed. */
  SOFTWARE: 70,
  /** EX_CONFIG: a setting is missing or wrong. */
  CONFIG: 78,
} as const
