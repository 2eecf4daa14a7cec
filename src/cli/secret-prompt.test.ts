import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { after, test } from 'node:test'

import { callMain, openHouse } from './captured.ts'

const house = await openHouse()
after(() => house.close())

const program = fileURLToPath(new URL('../../bin/isobar.js', import.meta.url))
const quiet = `'${process.execPath}' --disable-warning=ExperimentalWarning '${program}'`
const skip = spawnSync('script', ['--version']).status !== 0 && 'script of util-linux is not here'

/** A shell line in a terminal of its own, which is typed at when it asks. Gives all that was to be seen there. */
async function onTerminal(line: string, keys: string): Promise<string> {
  const env = { ...house.env, ISOBAR_PROMPT_DISABLED: '', NO_COLOR: '1', TERM: 'xterm', SHELL: '/bin/sh' }
  const child = spawn('script', ['-qec', line, '/dev/null'], {
    env,
    cwd: house.home,
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  let seen = ''
  let typed = false
  child.stdout.setEncoding('utf8').on('data', (part: string) => {
    seen += part
    if (typed || !seen.includes('(it is not shown): ')) return
    typed = true
    child.stdin.write(keys)
  })
  const giveUp = setTimeout(() => child.kill(), 20_000)
  await new Promise((resolve) => child.once('close', resolve))
  clearTimeout(giveUp)
  return seen.replaceAll('\r', '')
}

/** What tells the state of the terminal after a command, which a shell that edits its line would hide. */
const told = 'echo "code=$?"; stty -a | grep -oE -- "-?(echo|icanon|isig)( |;|$)" | tr -d " ;" | sort | tr "\\n" " "'

/** How a job ends that compares a secret with what it should be. */
async function compared(name: string, value: string): Promise<number> {
  const run = `test "$${name}" = '${value}'`
  const input = JSON.stringify({ kind: 'job', name: 'reads', secrets: [name], resources: { cpus: 0.5 }, run })
  return (await callMain(['run', '-'], { env: house.env, cwd: house.home, input })).code
}

test('on a terminal a secret is asked for and shown nowhere', { skip }, async () => {
  const seen = await onTerminal(`${quiet} secret set ASKED; ${told}`, 'hush-wrong\u0015hush hashh\u007F\r')
  assert.match(seen, /^ASKED \(it is not shown\): \n/)
  assert.match(seen, /ASKED is kept\. next: [^]*\ncode=0\necho icanon isig /)
  assert.doesNotMatch(seen, /hush/)
  assert.equal(await compared('ASKED', 'hush hash'), 0)
})

test('Ctrl-C at the question keeps nothing, leaves the terminal as it was and exits with 130', { skip }, async () => {
  const seen = await onTerminal(`${quiet} secret set BROKEN_OFF; ${told}`, 'hush\u0003')
  assert.match(seen, /^BROKEN_OFF \(it is not shown\): \nerror: nothing was kept\ncode=130\necho icanon isig /)
  assert.doesNotMatch((await house.isobar('secret', 'list', '-o', 'name')).stdout, /BROKEN_OFF/)
})

test('nothing typed is no secret, and of several lines none is kept', { skip }, async () => {
  assert.match(
    await onTerminal(`${quiet} secret set EMPTY; ${told}`, '\r'),
    /error: the secret is empty\n[^]*code=2\necho icanon isig /,
  )
  const pasted = await onTerminal(`${quiet} secret set PEM; ${told}`, 'BEGIN\rhush\rEND\r')
  assert.match(
    pasted,
    /error: more than one line was given, and nothing was kept\n[^]*next: isobar secret set PEM --file <path>\ncode=2\necho/,
  )
  assert.doesNotMatch((await house.isobar('secret', 'list', '-o', 'name')).stdout, /EMPTY|PEM/)
})

test('a pipe is read as it is, also where the rest is a terminal', { skip }, async () => {
  const seen = await onTerminal(`printf 'hush\\nhash\\n' | ${quiet} secret set PIPED; ${told}`, '')
  assert.match(seen, /^PIPED is kept\. next: [^]*\ncode=0\n/)
  assert.equal(await compared('PIPED', 'hush\nhash'), 0)
})
