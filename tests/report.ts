export interface Counts {
  passed: number
  failed: number
  /** Tests with skip or todo, which count neither as passed nor as failed. */
  skipped: number
}

/** A skipped test or assertion, with the reason. */
export interface Skipped {
  readonly file: string
  readonly name: string
  readonly reason: string
}

export interface Report {
  /** Takes one line of tap's output, without its line feed. */
  line(text: string): void
  /**
   * Call this after the last line.
   *
   * @param exitCode of tap; any other than 0 is a failure, whatever the lines contain
   */
  end(exitCode: number): void
  readonly total: Readonly<Counts>
  /** Skipped by name or condition in the test file; a filter of the command line is counted in `total` alone. */
  readonly skipped: readonly Skipped[]
}

interface Result {
  readonly indent: number
  readonly ok: boolean
  readonly name: string
  readonly time: string
  readonly directive?: { readonly kind: 'SKIP' | 'TODO'; readonly reason: string }
}

interface File extends Counts {
  lines: string[]
  skips: Omit<Skipped, 'file'>[]
  /** N of the line `1..N`. */
  planned: number | undefined
}

/** The results below a line `# Subtest: …` whose own result has not arrived yet. */
interface Subtest {
  readonly name: string
  results: number
  failed: boolean
  planned: number | undefined
}

const SUBTEST_INDENT = 4
const FILTERED = /^filter: /

/**
 * Turns tap's output into one line for each file, with failures below it, and counts tests. A test is an entry at the top level
 * of a file, usually a `t.test(…)`.
 *
 * A run never reports fewer failures than there were. Each of these counts as a failed test: a file that failed without
 * a failed test (it crashed or timed out), that ended before its plan, that contains no test, or that reported
 * nothing; and a difference between tap's count and the count here.
 *
 * @param files the files of the run, by the names that tap prints
 */
export function createReport(print: (line: string) => void, files: readonly string[]): Report {
  return new TapReport(print, files)
}

class TapReport implements Report {
  readonly total: Counts = { passed: 0, failed: 0, skipped: 0 }
  readonly skipped: Skipped[] = []
  readonly #print: (line: string) => void
  readonly #missing: Set<string>
  #file = emptyFile()
  /** Indent of the current YAML block, whose lines may look like results. */
  #blockIndent: number | undefined
  /** Indent of a block that may follow the previous line. */
  #nextBlockIndent: number | undefined
  /** Keyed by the indent of their own results. */
  readonly #open = new Map<number, Subtest>()
  #assertions = { total: 0, failed: 0 }
  #countedByTap: { total: number; failed: number } | undefined

  constructor(print: (line: string) => void, files: readonly string[]) {
    this.#print = (line) => print(printable(line))
    this.#missing = new Set(files)
  }

  line(text: string): void {
    const indent = text.length - text.trimStart().length
    if (this.#isInBlock(text, indent)) {
      if (indent > 0) this.#file.lines.push(text)
      return
    }
    const mayOpenBlock = this.#nextBlockIndent === indent && text.trim() === '---'
    if (mayOpenBlock) this.#blockIndent = indent
    if (text.trim() !== '') this.#nextBlockIndent = undefined
    const result = parseResult(text, indent)
    if (result !== undefined) this.#result(result, text)
    else if (indent > 0) this.#insideFile(text, indent)
    else this.#topLevel(text)
  }

  end(exitCode: number): void {
    for (const file of this.#missing) this.#fault(file, 'reported nothing')
    const tap = this.#countedByTap
    const ours = this.#assertions
    // tap may count fewer: it omits results of a file whose standard output it could not parse.
    if (tap === undefined || tap.total > ours.total || tap.failed !== ours.failed) {
      const theirs = tap === undefined ? 'none' : `${tap.total}, ${tap.failed} of them failed`
      this.#fault(
        'tap',
        `its results are ${theirs}; read here were ${ours.total}, ${ours.failed} of them failed`,
      )
    }
    if (this.total.passed + this.total.failed === 0) this.#fault('tap', 'ran no test')
    // tap may fail without a failed test, for example because of a wrong option.
    if (exitCode !== 0 && this.total.failed === 0) this.#fault('tap', `ended with exit code ${exitCode}`)
  }

  /** A block ends at its closing line, or at a smaller indent: tap omits the closing line of a block that it could not parse. */
  #isInBlock(text: string, indent: number): boolean {
    if (this.#blockIndent === undefined) return false
    const isEnd = indent === this.#blockIndent && text.trim() === '...'
    const isBehind = text.trim() !== '' && indent < this.#blockIndent
    if (isEnd || isBehind) this.#blockIndent = undefined
    return !isBehind
  }

  #result(result: Result, text: string): void {
    this.#nextBlockIndent = result.indent + 2
    this.#countAssertion(result)
    if (result.indent === 0) {
      this.#endFile(result)
      return
    }
    const file = this.#file
    file.lines.push(text)
    if (result.directive !== undefined) {
      file.skips.push({
        name: result.name,
        reason: `${result.directive.reason || result.directive.kind.toLowerCase()}`,
      })
    }
    if (result.indent !== SUBTEST_INDENT) return
    if (result.directive !== undefined) file.skipped++
    else if (result.ok) file.passed++
    else file.failed++
  }

  #insideFile(text: string, indent: number): void {
    this.#file.lines.push(text)
    this.#openSubtest(text, indent)
    const plan = /^ *1\.\.(\d+)(?: |$)/.exec(text)
    const below = this.#open.get(indent - SUBTEST_INDENT)
    if (plan !== null && below !== undefined) below.planned ??= Number(plan[1])
    if (plan !== null && indent === SUBTEST_INDENT) this.#file.planned ??= Number(plan[1])
  }

  #topLevel(text: string): void {
    if (text.startsWith('Bail out!')) this.#fault('tap', text)
    this.#openSubtest(text, 0)
    const counts = /^# \{ total: (\d+)(?:, pass: \d+)?(?:, fail: (\d+))?/.exec(text)
    if (counts !== null) this.#countedByTap = { total: Number(counts[1]), failed: Number(counts[2] ?? 0) }
  }

  #openSubtest(text: string, indent: number): void {
    const match = /^ *# Subtest(?:: (.*))?$/s.exec(text)
    if (match === null) return
    const name = nameOf(match[1] ?? '')
    this.#open.set(indent, { name, results: 0, failed: false, planned: undefined })
  }

  /** Counts as tap does: the result of a subtest repeats the results below it, unless there are none or they differ. */
  #countAssertion({ indent, ok, name, directive }: Result): void {
    const below = this.#open.get(indent)
    this.#open.delete(indent)
    const parent = this.#open.get(indent - SUBTEST_INDENT)
    const fails = !ok && directive === undefined
    if (parent !== undefined) {
      parent.results++
      parent.failed ||= fails
    }
    if (below !== undefined && below.results > 0 && below.name === name && directive === undefined) {
      const belowOk = !below.failed && below.results === below.planned
      if (belowOk === ok) return
    }
    this.#assertions.total++
    if (fails) this.#assertions.failed++
  }

  #endFile({ ok, name, time, directive }: Result): void {
    const file = this.#file
    this.#file = emptyFile()
    this.#missing.delete(name)
    const fault = faultOf(file, ok || directive !== undefined, directive?.reason)
    const failed = file.failed > 0 || fault !== undefined
    if (failed && file.failed === 0) file.failed = 1
    if (directive !== undefined && !failed) {
      file.skipped++
      file.skips.push({ name: 'all of it', reason: directive.reason })
    }
    const parts = [`${file.passed} passed`]
    if (file.failed > 0) parts.push(`${file.failed} failed`)
    if (file.skipped > 0) parts.push(`${file.skipped} skipped`)
    this.#print(`${failed ? 'FAIL' : 'ok  '} ${name}  ${parts.join(', ')}  ${time}`.trimEnd())
    if (failed) for (const text of failures(file.lines)) this.#print(`     ${text}`)
    if (fault !== undefined) this.#print(`     ${fault}`)
    this.total.passed += file.passed
    this.total.failed += file.failed
    this.total.skipped += file.skipped
    for (const skip of file.skips) if (!FILTERED.test(skip.reason)) this.skipped.push({ file: name, ...skip })
  }

  #fault(name: string, message: string): void {
    this.total.failed++
    this.#print(`FAIL ${name}  ${message}`)
  }
}

function emptyFile(): File {
  return { passed: 0, failed: 0, skipped: 0, lines: [], skips: [], planned: undefined }
}

/** A fault of a file besides its failed tests. */
function faultOf(file: File, ok: boolean, skipReason: string | undefined): string | undefined {
  const results = file.passed + file.failed + file.skipped
  if (!ok) return file.failed === 0 ? 'the file failed, and no test of it did' : undefined
  if (results !== file.planned) return `${results} tests reported, ${file.planned ?? 'none'} planned`
  if (results === 0 && (skipReason === undefined || skipReason === 'no tests found'))
    return 'the file holds no test'
  return undefined
}

function parseResult(text: string, indent: number): Result | undefined {
  const match = /^ *(not )?ok\b(?: \d+)?(?: - )?(.*)$/s.exec(text)
  if (match === null || indent % SUBTEST_INDENT !== 0) return undefined
  // A `#` of the name itself is escaped.
  const [name = '', ...comments] = (match[2] ?? '').split(/(?<!\\)#/)
  const comment = comments.join('#').trim()
  const directive = /^(SKIP|TODO)\b\s*(.*)$/is.exec(comment)
  return {
    indent,
    ok: match[1] === undefined,
    name: nameOf(name),
    time: comment.startsWith('time=') ? comment.slice(5) : '',
    ...(directive !== null && {
      directive: {
        kind: directive[1]?.toUpperCase() === 'SKIP' ? 'SKIP' : 'TODO',
        reason: directive[2] ?? '',
      } as const,
    }),
  }
}

function nameOf(escaped: string): string {
  return escaped.trim().replaceAll('\\#', '#')
}

/** The lines of a file that describe failures. */
function failures(lines: readonly string[]): string[] {
  const kept: string[] = []
  let blockIndent: number | undefined
  let failed = false
  for (const text of lines) {
    const trimmed = text.trim()
    const indent = text.length - text.trimStart().length
    if (blockIndent !== undefined && trimmed !== '' && indent < blockIndent) blockIndent = undefined
    if (blockIndent !== undefined) {
      if (failed) kept.push(text)
      if (trimmed === '...' && indent === blockIndent) blockIndent = undefined
    } else if (trimmed === '---') {
      blockIndent = indent
      if (failed) kept.push(text)
    } else if (/^# Subtest/.test(trimmed) || /^ok\b/.test(trimmed)) {
      failed = false
    } else if (/^not ok\b/.test(trimmed) && !/# (SKIP|TODO)\b/i.test(trimmed)) {
      failed = true
      kept.push(text)
    }
  }
  return kept
}

/** With an escape for each character that a terminal or a reader of lines takes for a command or the end of a line. */
function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the ones to find
  return text.replace(/[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u2028\u2029]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
}
