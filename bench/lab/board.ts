import { EventEmitter } from 'node:events'
import type { About, LabEvent, Sample, State } from './protocol.ts'
import { initialLoad } from './workloads.ts'

/** Samples that a page receives when it opens: a few minutes. */
const HISTORY = 240

/** What pages show: the present state and the last samples, sent to all of them. */
export class Board {
  readonly #events = new EventEmitter<{ event: [LabEvent] }>()
  readonly #history: Sample[] = []
  #about: About | undefined
  #state: State = {
    phase: 'starting',
    message: 'Starting',
    load: initialLoad(),
    settings: {},
    fault: null,
    comparison: { turns: 0, rate: null, cpu: null, p99: null },
    faultReport: null,
    generatorBusy: false,
  }

  constructor() {
    this.#events.setMaxListeners(0)
  }

  get state(): State {
    return this.#state
  }

  describe(about: About): void {
    this.#about = about
    this.#events.emit('event', { type: 'about', data: about })
  }

  update(change: Partial<State>): void {
    this.#state = { ...this.#state, ...change }
    this.#events.emit('event', { type: 'state', data: this.#state })
  }

  add(sample: Sample): void {
    this.#history.push(sample)
    if (this.#history.length > HISTORY) this.#history.shift()
    this.#events.emit('event', { type: 'sample', data: sample })
  }

  /** Calls `receive` with everything that a new page needs, then with each event. Returns a function that ends it. */
  subscribe(receive: (event: LabEvent) => void): () => void {
    if (this.#about !== undefined) receive({ type: 'about', data: this.#about })
    receive({ type: 'history', data: this.#history })
    receive({ type: 'state', data: this.#state })
    this.#events.on('event', receive)
    return () => this.#events.off('event', receive)
  }
}
