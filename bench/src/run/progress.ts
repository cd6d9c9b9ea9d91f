/** Tells on standard error what goes on and how long it will take. */
export interface Progress {
  /** A step of known length begins; `leftMs` until the end of the run as now expected. */
  step(text: string, leftMs?: number): void
  /** A line that stays. */
  note(text: string): void
  done(): void
}

/** On a terminal one line that is written over, elsewhere a line a step. */
export function createProgress(stream: NodeJS.WriteStream = process.stderr): Progress {
  const live = stream.isTTY === true
  const clear = live ? '\r\x1b[K' : ''
  return {
    step(text, leftMs) {
      const left = leftMs === undefined ? '' : `${duration(Math.max(0, leftMs))} left`
      const line = `${left.padEnd(live ? 11 : 0)}${left && !live ? '  ' : ''}${text}`
      stream.write(live ? `${clear}${line.slice(0, (stream.columns || 80) - 1)}` : `${line}\n`)
    },
    note(text) {
      stream.write(`${clear}${text}\n`)
    },
    done() {
      stream.write(clear)
    },
  }
}

/** 83000 → `1:23` */
export function duration(ms: number): string {
  const seconds = Math.round(ms / 1000)
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`
}
