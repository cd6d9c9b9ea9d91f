import { execFileSync, spawnSync } from 'node:child_process'
import { closeSync, constants, openSync, readFileSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { StringDecoder } from 'node:string_decoder'
import t from 'tap'
import { Output } from './output.ts'

/** A FIFO whose reader reads when it is asked to. */
function openFifo(t: { testdir(content: Record<string, string>): string; teardown(fn: () => void): void }) {
  const path = join(t.testdir({}), 'fifo')
  execFileSync('mkfifo', [path])
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  const writer = openSync(path, 'w')
  const buffer = Buffer.alloc(1 << 20)
  const decoder = new StringDecoder('utf8')
  t.teardown(() => {
    closeSync(writer)
    closeSync(reader)
  })
  return {
    writer,
    /** All that has arrived. */
    read(): string {
      const parts: string[] = []
      try {
        for (;;) parts.push(decoder.write(buffer.subarray(0, readSync(reader, buffer))))
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
      }
      return parts.join('')
    },
  }
}

t.test('lines wait for the reader, whole and in order', async (t) => {
  const { writer, read } = openFifo(t)
  const output = new Output(writer)
  t.teardown(() => output.close())
  const lines = Array.from({ length: 3000 }, (_, n) => `${n} ${'é'.repeat(n % 200)}\n`)
  // Longer than a pipe takes at once.
  lines.splice(500, 0, `${'y'.repeat(200_000)}\n`)
  for (const line of lines) output.write(line)
  t.ok(output.waitingBytes > 0)
  let text = read()
  const flushed = output.flush(10_000).then(() => true)
  while (output.waitingBytes > 0) {
    await new Promise((resolve) => setTimeout(resolve, 5))
    text += read()
  }
  t.ok(await flushed)
  text += read()
  t.ok(text === lines.join(''))
  t.equal(output.droppedLines, 0)
})

t.test('lines beyond the bound are dropped and counted, and the recovery is reported once', async (t) => {
  const { writer, read } = openFifo(t)
  const output = new Output(writer, { maxWaitingBytes: 10_000 })
  t.teardown(() => output.close())
  const recoveries: number[] = []
  output.onRecovery((dropped) => recoveries.push(dropped))
  const line = `${'x'.repeat(999)}\n`
  for (let n = 0; n < 1000; n++) output.write(line)
  t.ok(output.waitingBytes <= 10_000)
  t.ok(output.droppedLines > 800)
  await output.flush(50)
  t.same(recoveries, [], 'the pipe is still full')
  let text = read()
  await output.flush(10_000)
  text += read()
  t.same(recoveries, [output.droppedLines])
  t.equal(text.length, 1000 * (1000 - output.droppedLines))
  output.write('after\n')
  t.equal(read(), 'after\n')
})

t.test('a descriptor that fails neither throws nor holds up a flush', async (t) => {
  const full = openSync('/dev/full', 'w')
  t.teardown(() => closeSync(full))
  const output = new Output(full)
  t.teardown(() => output.close())
  output.write('one\n')
  output.write('two\n')
  const begin = performance.now()
  await output.flush(60_000)
  t.ok(performance.now() - begin < 30_000)
  t.equal(output.waitingBytes, 8)
})

t.test('what a process writes before it exits is there, in a file and in a pipe', async (t) => {
  const module = JSON.stringify(import.meta.resolve('./output.ts'))
  const script = `
    import { getStandardOutput } from ${module}
    for (let n = 0; n < 100; n++) getStandardOutput().write(n + '\\n')
    process.exit(3)`
  const expected = Array.from({ length: 100 }, (_, n) => `${n}\n`).join('')
  const file = join(t.testdir({ log: 'kept\n' }), 'log')
  const args = ['--input-type=module', '-e', script]
  const piped = spawnSync(process.execPath, args, { encoding: 'utf8' })
  t.match(piped, { status: 3, stdout: expected })
  const fd = openSync(file, 'a')
  t.equal(spawnSync(process.execPath, args, { stdio: ['ignore', fd, 'inherit'] }).status, 3)
  closeSync(fd)
  t.equal(readFileSync(file, 'utf8'), `kept\n${expected}`)
})
