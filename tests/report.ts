export type Counts = { passed: number; failed: number; skipped: number }

/**
 * Turns tap's output into one line a file with what failed below it, and counts tests: a test is what stands at the top
 * of a file, a `t.test(…)` as a rule; a file that fails without naming one (it crashed or timed out) is a failed test.
 * Neither passed nor failed: skip and todo.
 */
export const createReport = (print: (line: string) => void) => {
  const total: Counts = { passed: 0, failed: 0, skipped: 0 }
  let file = { passed: 0, failed: 0, skipped: 0, lines: [] as string[] }
  // How far the YAML that is being read is indented; what it holds may look like a result.
  let yamlIndent: number | undefined

  const line = (text: string): void => {
    const indent = text.length - text.trimStart().length
    if (yamlIndent !== undefined) {
      if (indent > 0) file.lines.push(text)
      if (indent === yamlIndent && text.trim() === '...') yamlIndent = undefined
      return
    }
    const result = /^( *)(not )?ok\b(?: \d+)?(?: - )?(.*)$/.exec(text)
    if (text.trim() === '---') yamlIndent = indent
    if (result === null || indent > 4) {
      if (indent > 0) file.lines.push(text)
      else if (text.startsWith('Bail out!')) print(text)
      return
    }
    const failed = result[2] !== undefined
    const skipped = /# (SKIP|TODO)\b/i.test(text)
    if (indent === 4) {
      file.lines.push(text)
      if (skipped) file.skipped++
      else if (failed) file.failed++
      else file.passed++
    } else if (indent === 0) {
      endFile(result[3] ?? '', failed && !skipped)
    }
  }

  const endFile = (description: string, failed: boolean): void => {
    const [name = '', time = ''] = description.split(' # time=')
    if (failed && file.failed === 0) file.failed = 1
    const parts = [`${file.passed} passed`]
    if (file.failed > 0) parts.push(`${file.failed} failed`)
    if (file.skipped > 0) parts.push(`${file.skipped} skipped`)
    print(`${failed ? 'FAIL' : 'ok  '} ${name.trim()}  ${parts.join(', ')}  ${time}`.trimEnd())
    if (failed) for (const text of failures(file.lines)) print(`     ${text}`)
    total.passed += file.passed
    total.failed += file.failed
    total.skipped += file.skipped
    file = { passed: 0, failed: 0, skipped: 0, lines: [] }
  }

  return { line, total }
}

/** Of a file's lines those that failed and what tap says about each. */
const failures = (lines: string[]): string[] => {
  const kept: string[] = []
  let inDiagnosis = false
  let failed = false
  for (const text of lines) {
    const trimmed = text.trim()
    if (inDiagnosis) {
      if (failed) kept.push(text)
      if (trimmed === '...') inDiagnosis = false
    } else if (trimmed === '---') {
      inDiagnosis = true
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
