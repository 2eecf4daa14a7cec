import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { after, test } from 'node:test'

import { CliFault, exitCodes } from './fault.ts'
import type { Io } from './io.ts'
import { pairOf, readSpec } from './submission.ts'

const folder = mkdtempSync(join(tmpdir(), 'isobar-spec-'))
after(() => rmSync(folder, { recursive: true }))

const io = (input: string | Buffer = ''): Io => ({
  env: {},
  cwd: folder,
  stdin: Readable.from([Buffer.from(input)]),
  stdout: new PassThrough(),
  stderr: new PassThrough(),
  tty: { stdin: false, stdout: false, stderr: false },
  width: 80,
})

async function refusalOf(file: string, input?: Buffer): Promise<string> {
  const fault = await readSpec(io(input), file).then(
    () => assert.fail(`${file} was read`),
    (error: unknown) => error,
  )
  assert.ok(fault instanceof CliFault, String(fault))
  assert.equal(fault.code, exitCodes.usage)
  assert.ok(fault.next.length > 0)
  return [fault.message, fault.why, ...fault.next].join('\n')
}

test('what is no spec file is told as what it is', async () => {
  const write = (name: string, content: string | Buffer) => writeFileSync(join(folder, name), content)
  mkdirSync(join(folder, 'folder'))
  write('train.yaml', 'kind: job')
  write('large.yaml', '#'.repeat(10_000_001))
  write('latin.yaml', Buffer.from('run: echo é', 'latin1'))
  write('utf16.yaml', Buffer.from('\uFEFFkind: job', 'utf16le'))
  assert.match(await refusalOf('trian.yaml'), /Did you mean train\.yaml\?/)
  assert.match(await refusalOf('nothing-like-it'), /There is no such file\.\nisobar init/)
  assert.match(await refusalOf('folder'), /It is a folder/)
  assert.match(await refusalOf('large.yaml'), /larger than 10 MB/)
  assert.match(await refusalOf('latin.yaml'), /not text in UTF-8\n\niconv -f latin1/)
  assert.match(await refusalOf('utf16.yaml'), /not text in UTF-8/)
  assert.match(await refusalOf('-', Buffer.from([0xff, 0xfe])), /of standard input is not text in UTF-8/)
  assert.match(await refusalOf('/dev/zero'), /larger than 10 MB/)
})

test('a byte order mark is no part of a spec, and a pipe is read like a file', async () => {
  writeFileSync(join(folder, 'bom.yaml'), '\uFEFFkind: job\r\n')
  assert.equal((await readSpec(io(), 'bom.yaml')).text, 'kind: job\r\n')
  assert.equal((await readSpec(io('\uFEFFkind: job'), '-')).text, 'kind: job')
  const script = `import { readSpec } from '${new URL('submission.ts', import.meta.url)}'
    readSpec({ cwd: '/' }, '/dev/stdin').then(({ text }) => console.log(text))`
  const shell = 'printf "kind: job" | "$0" --input-type=module -e "$1"'
  const piped = execFileSync('/bin/sh', ['-c', shell, process.execPath, script])
  assert.equal(piped.toString(), 'kind: job\n')
})

test('a value without a name is refused, and not repeated', () => {
  assert.deepEqual(pairOf('A=b=c'), ['A', 'b=c'])
  for (const text of ['hunter2', '=hunter2', ''])
    assert.throws(
      () => pairOf(text),
      (error) => error instanceof CliFault && error.code === exitCodes.usage && !error.message.includes('hunter2'),
    )
})
