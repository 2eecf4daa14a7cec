import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'

import { callMain, type Captured } from './captured.ts'

const job = `apiVersion: batch/v1
kind: Job
metadata: { name: hello, namespace: team }
spec:
  template:
    spec:
      containers: [{ name: a, image: busybox, command: [echo, hello] }]
`
let folder: string
const isobar = (argv: string[], input = ''): Promise<Captured> => callMain(['import', ...argv], { cwd: folder, input })

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'isobar-import-'))
  writeFileSync(join(folder, 'job.yaml'), job)
})
after(() => rmSync(folder, { recursive: true, force: true }))

test('import writes the spec to stdout, and what it leaves out to stderr with place, cause and fix', async () => {
  const { code, stdout, stderr } = await isobar(['job.yaml'])
  assert.equal(code, 0)
  assert.equal(stdout, 'kind: job\nname: hello\nimage: busybox\nrun: echo hello\n')
  assert.equal(
    stderr,
    'job.yaml:3:26: left out: metadata.namespace: a site of Isobar has one namespace\n' +
      '  fix: say whose it is: isobar run FILE --project NAME\n',
  )
})

test('import reads standard input, and its JSON is all that it says', async () => {
  const { code, stdout, stderr } = await isobar(['-', '-o', 'json'], job)
  assert.deepEqual([code, stderr], [0, ''])
  const { specs, notes } = JSON.parse(stdout)
  assert.deepEqual(specs, [{ kind: 'job', name: 'hello', image: 'busybox', run: 'echo hello' }])
  assert.deepEqual(
    notes.map(({ file, line, path, what }: Record<string, unknown>) => ({ file, line, path, what })),
    [{ file: 'standard input', line: 3, path: 'metadata.namespace', what: 'left out' }],
  )
  assert.equal((await isobar(['-', '-o', 'name'], job)).stdout, 'hello\n')
})

test('a strict import fails where anything is left out, and writes nothing', async () => {
  const { code, stdout, stderr } = await isobar(['job.yaml', '--strict', '-f', 'strict.yaml'])
  assert.deepEqual([code, stdout], [2, ''])
  assert.match(
    stderr,
    /^error: 1 field of job\.yaml could not be carried over\njob\.yaml:3:26: metadata\.namespace\nnext: /m,
  )
  assert.throws(() => readFileSync(join(folder, 'strict.yaml')))
  const bare = await isobar(['-', '--strict'], job.replace(', namespace: team', ''))
  assert.deepEqual([bare.code, bare.stderr], [0, ''])
})

test('import writes a new file, and never over another', async () => {
  const made = await isobar(['job.yaml', '--file', 'spec.yaml'])
  assert.deepEqual([made.code, made.stdout], [0, ''])
  assert.match(made.stderr, /spec\.yaml is written\. next: isobar plan spec\.yaml\n$/)
  assert.match(readFileSync(join(folder, 'spec.yaml'), 'utf8'), /^kind: job\n/)
  const again = await isobar(['job.yaml', '--file', 'spec.yaml'])
  assert.equal(again.code, 5)
  assert.match(again.stderr, /stays as it is\nnext: isobar import job\.yaml --file /)
})

test('what cannot be imported says where, why and what to do', async () => {
  const bare = await isobar(['-'], job.replace(', command: [echo, hello]', ''))
  assert.equal(bare.code, 2)
  assert.match(
    bare.stderr,
    /^standard input:7:\d+: spec\.template\.spec\.containers\[0\]: what the image busybox starts/m,
  )
  assert.match(bare.stderr, /^fix: isobar import FILE --entrypoint /m)
  const given = await isobar(['-', '--entrypoint', 'serve it'], job.replace(', command: [echo, hello]', ''))
  assert.match(given.stdout, /^run: serve it$/m)
  assert.equal((await isobar(['absent.yaml'])).code, 2)
  assert.match((await isobar(['-', '-o', 'json'], 'a: b')).stderr, /"reason":"usage"/)
  assert.equal((await isobar([])).code, 2)
})

test('what a manifest says does not steer a terminal', async () => {
  const { stderr } = await isobar(['-'], job.replace('namespace: team', 'namespace: x, "a\\u001b[2Jb": 1'))
  assert.ok(!stderr.includes('\u001B'))
  assert.match(stderr, /metadata\.a \[2Jb/)
})
