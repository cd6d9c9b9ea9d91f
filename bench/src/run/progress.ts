/** Reports on standard error what the benchmark is doing and how long it will take. */
export interface Progress {
  /** Starts a step; `leftMs` is the expected time until the end of the run. */
  step(text: string, leftMs?: number): void
  /** Writes a line that is not overwritten. */
  note(text: string): void
  done(): void
}

/** On a terminal one line that is overwritten, elsewhere one line a step. */
export function createProgress(stream: NodeJS.WriteStream = process.stderr): Progress {
  const live = stream.isTTY === true
  const clear = live ? '\r\x1b[K' : ''
  return {
    step(text, leftMs) {
      const left = leftMs === undefined ? '' : `${duration(Math.max(0, leftMs))} left`
      const line = `${left.padEnd(live ? 11 : 0)}${left && !live ? '  ' : ''}${text}`
      stream.write(live ? `${clear}${line.slice(0, (stream.columns || 80) - 1)}` : `${line}\n`)
    },
    note: (text) => void stream.write(`${clear}${text}\n`),
    done: () => void stream.write(clear),
  }
}

/** 83000 → `1:23` */
function duration(ms: number): string {
  const seconds = Math.round(ms / 1000)
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`
}
