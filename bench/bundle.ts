import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { unpackBundle } from '#kit/bundle-unpack.ts'
import { packBundle } from '#kit/bundle.ts'

// Packs and unpacks a folder of 20,000 files, with the system's tar beside it.

const files = 20_000
const root = mkdtempSync(join(tmpdir(), 'isobar-bench-bundle-'))
const folder = join(root, 'repository')
const cacheDir = join(root, 'cache')

function fill(): void {
  for (let i = 0; i < files; i++) {
    const inner = join(folder, `part-${Math.floor(i / 200)}`, `area-${i % 10}`)
    mkdirSync(inner, { recursive: true })
    writeFileSync(join(inner, `module-${i}.py`), `value = ${i}\n`.repeat(1 + (i % 300)))
  }
}

async function timed(work: () => unknown): Promise<number> {
  const began = performance.now()
  await work()
  return performance.now() - began
}

const tar = (...given: string[]) => timed(() => execFileSync('tar', given))
const pack = () => timed(() => packBundle(folder, { cacheDir }))
const row = (what: string, milliseconds: number, peer = '') =>
  process.stdout.write(`| ${what.padEnd(34)} | ${`${milliseconds.toFixed(0)} ms`.padStart(9)} | ${peer} |\n`)

try {
  fill()
  await tar('-cf', '/dev/null', '-C', folder, '.') // both find the files in the page cache
  process.stdout.write(`| ${files} files | Isobar | beside it |\n|---|---:|---|\n`)
  const zipped = await tar('-czf', join(root, 'peer.tar.gz'), '-C', folder, '.')
  const plain = await tar('-cf', join(root, 'peer.tar'), '-C', folder, '.')
  row('packed for the first time', await pack(), `tar -czf ${zipped.toFixed(0)} ms, tar -cf ${plain.toFixed(0)} ms`)
  row('unchanged, just written', await pack(), 'files of the last 2 s are read again')
  await new Promise((resolve) => setTimeout(resolve, 2100))
  await pack()
  row('unchanged', await pack(), `tar -czf ${zipped.toFixed(0)} ms`)
  writeFileSync(join(folder, 'part-0', 'new.py'), 'x = 1\n')
  row('one file added', await pack(), `tar -czf ${zipped.toFixed(0)} ms`)
  const bundle = await packBundle(folder, { cacheDir })
  if ('problem' in bundle) throw new Error(bundle.problem)
  mkdirSync(join(root, 'peer'))
  const peer = await tar('-xf', bundle.path, '-C', join(root, 'peer'))
  const ours = await timed(() => unpackBundle(bundle.path, join(root, 'unpacked'), bundle.hash))
  row('verified and unpacked', ours, `tar -xf ${peer.toFixed(0)} ms, unverified`)
} finally {
  rmSync(root, { recursive: true, force: true })
}
