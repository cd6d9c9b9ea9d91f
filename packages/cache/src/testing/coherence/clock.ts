/** The machine's monotonic clock: the same in every process, also while one is paused. */
export const monotonicMs = (): number => Number(process.hrtime.bigint()) / 1e6
