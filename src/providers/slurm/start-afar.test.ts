import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { test, type TestContext } from 'node:test'

import type { GangOrder } from '#model/gang-folder.ts'

import { scriptAfar } from './start-afar.ts'

/** Commands that the script may use, beside the one that fetches. */
const commands = ['sh', 'mktemp', 'rm', 'chmod', 'tar', 'sleep', 'cat', 'ls']
const credential = "it's a credential"

/** A node with these commands only, and control planes of which the first does not answer. */
async function aNode(t: TestContext, fetcher: 'curl' | 'wget') {
  const folder = mkdtempSync(join(tmpdir(), 'isobar-start-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  for (const name of ['bin', 'tmp', 'agent']) mkdirSync(join(folder, name))
  for (const name of [...commands, fetcher])
    symlinkSync(execFileSync('which', [name], { encoding: 'utf8' }).trim(), join(folder, 'bin', name))
  // In place of Node something that says how it was started.
  writeFileSync(join(folder, 'agent/node'), '#!/bin/sh\nshift; echo "$1" "$2"; ls "$TMPDIR"; exit 9\n')
  chmodSync(join(folder, 'agent/node'), 0o755)
  const archive = execFileSync('tar', ['-c', '-C', join(folder, 'agent'), 'node'])
  const seen: (string | undefined)[] = []
  const server = createServer((request, response) => {
    seen.push(`${request.url} ${request.headers.authorization}`)
    // The first archive breaks off.
    if (seen.length > 1) return void response.end(archive)
    response.writeHead(200, { 'content-length': archive.length })
    response.write(archive.subarray(0, archive.length - 600), () => request.socket.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const { port } = server.address() as AddressInfo // a TCP server has such an address
  const address = `http://127.0.0.1:${port}`
  const order = { credential, controlPlanes: ['http://127.0.0.1:9', address, address] } as GangOrder // all that is read of it
  return { folder, order, seen }
}

for (const fetcher of ['curl', 'wget'] as const)
  test(`a job fetches its agent with ${fetcher}, runs it in a folder of its own, and leaves nothing`, async (t) => {
    const { folder, order, seen } = await aNode(t, fetcher)
    const around = join(folder, 'tmp')
    mkdirSync(join(around, 'isobar.999999999.abcdef/rank'), { recursive: true })
    mkdirSync(join(around, `isobar.${process.pid}.abcdef`))
    writeFileSync(join(around, 'isobar.not-ours'), '')
    const env = { PATH: join(folder, 'bin'), TMPDIR: around }
    const job = spawn('/bin/sh', ['-c', scriptAfar(order)], { env, stdio: ['ignore', 'pipe', 'pipe'] })
    const [code, said] = await Promise.all([
      once(job, 'exit').then(([ended]) => ended as number),
      text(job.stdout),
      text(job.stderr),
    ])
    assert.equal(code, 9)
    assert.match(said, /^lead-afar \/bin\/sh\n/)
    assert.match(said, /\nisobar\.\d+\.\w{6}\n/)
    assert.ok(!said.includes('999999999'), 'what one left that was killed is removed')
    assert.deepEqual(seen, Array(2).fill(`/agent/v1/program Bearer ${credential}`))
    assert.deepEqual(readdirSync(around).sort(), [`isobar.${process.pid}.abcdef`, 'isobar.not-ours'])
  })
