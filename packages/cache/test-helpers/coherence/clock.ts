/** The machine's monotonic clock: the same in every process, and it goes on while a process is paused. */
export const monotonicMs = (): number => Number(process.hrtime.bigint()) / 1e6
