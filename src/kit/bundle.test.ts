import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createReadStream, existsSync, lstatSync, readFileSync, readlinkSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, readdir, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, test } from 'node:test'

import * as fc from 'fast-check'
import { Header } from 'tar/header'

import { unpackBundle } from './bundle-unpack.ts'
import { type Bundle, type BundleProblem, packBundle } from './bundle.ts'

const root = await mkdtemp(join(tmpdir(), 'isobar-bundle-'))
after(() => rm(root, { recursive: true, force: true }))

let made = 0
const fresh = (): string => join(root, String(made++))

async function aFolder(files: Record<string, string>): Promise<string> {
  const folder = fresh()
  await mkdir(folder, { recursive: true })
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true })
    await writeFile(join(folder, path), text)
  }
  return folder
}

/** What is long past counts as settled: such files are not read again. */
async function settle(folder: string): Promise<void> {
  const past = new Date(Date.now() - 60_000)
  for (const entry of await readdir(folder, { recursive: true })) await utimes(join(folder, entry), past, past)
}

async function packed(folder: string, cacheDir = fresh()): Promise<Bundle> {
  const bundle = await packBundle(folder, { cacheDir })
  assert.ok('hash' in bundle, JSON.stringify(bundle))
  return bundle
}

const namesIn = ({ path }: Bundle): string[] =>
  execFileSync('tar', ['-tf', path], { encoding: 'utf8' }).trim().split('\n').filter(Boolean)

function refused(result: object): BundleProblem {
  assert.ok('problem' in result && 'fix' in result, JSON.stringify(result))
  return result as BundleProblem // checked above
}

test('a folder comes back as it was: contents, folders, links and what may be executed', async () => {
  const long = `${'deep/'.repeat(40)}${'n'.repeat(120)}.txt`
  const folder = await aFolder({
    'a.txt': 'a',
    'src/b.py': 'b',
    'größe/ü 🌍.txt': 'c',
    [long]: 'd',
    'run.sh': 'e',
    empty: '',
  })
  await mkdir(join(folder, 'void'))
  await chmod(join(folder, 'run.sh'), 0o700)
  await chmod(join(folder, 'a.txt'), 0o600)
  await symlink('../a.txt', join(folder, 'src', 'link'))
  await symlink('nowhere', join(folder, 'dangling'))
  const { path, hash, files } = await packed(folder)
  const out = fresh()
  assert.deepEqual(await unpackBundle(createReadStream(path), out, hash), { files: 6 })
  assert.equal(files, 6)
  assert.equal(readFileSync(join(out, long), 'utf8'), 'd')
  assert.equal(readFileSync(join(out, 'größe/ü 🌍.txt'), 'utf8'), 'c')
  assert.equal(readlinkSync(join(out, 'src', 'link')), '../a.txt')
  assert.equal(lstatSync(join(out, 'run.sh')).mode & 0o111, 0o111 & lstatSync(out).mode)
  assert.equal(lstatSync(join(out, 'a.txt')).mode & 0o111, 0)
  assert.ok(lstatSync(join(out, 'void')).isDirectory())
  assert.deepEqual(
    (await readdir(dirname(out))).filter((name) => name.includes('partial')),
    [],
  )
})

test("the system's tar reads a bundle, and its name is the hash of its bytes", async () => {
  const bundle = await packed(await aFolder({ 'b/x': '1', a: '2' }))
  assert.deepEqual(namesIn(bundle), ['a', 'b/', 'b/x'])
  assert.equal(createHash('sha256').update(readFileSync(bundle.path)).digest('hex'), bundle.hash)
  assert.equal(readFileSync(bundle.path).length, bundle.bytes)
})

test('equal folders give equal bundles, whatever their dates, owners and places', async () => {
  const one = await aFolder({ 'x/y': '1', z: '2' })
  const other = await aFolder({ z: '2', 'x/y': '1' })
  await settle(other)
  await chmod(join(other, 'z'), 0o600)
  assert.equal((await packed(one)).hash, (await packed(other)).hash)
  await chmod(join(other, 'z'), 0o755)
  assert.notEqual((await packed(one)).hash, (await packed(other)).hash)
})

test('an unchanged folder is not packed again, and any change is seen', async () => {
  const folder = await aFolder({ a: '1', 'b/c': '2' })
  const cacheDir = fresh()
  const first = await packed(folder, cacheDir)
  const again = await packed(folder, cacheDir)
  assert.deepEqual([first.cached, again.cached, again.hash], [false, true, first.hash])
  await writeFile(join(folder, 'new'), '')
  const grown = await packed(folder, cacheDir)
  assert.deepEqual([grown.cached, grown.hash === first.hash], [false, false])
  await rm(join(folder, 'new'))
  assert.equal((await packed(folder, cacheDir)).hash, first.hash)
})

test('an edit within the same tick of the clock, of the same length and date, is seen', async () => {
  const folder = await aFolder({ a: '0' })
  const cacheDir = fresh()
  const hashes = new Set<string>()
  const date = new Date(Date.now() - 60_000)
  for (let edit = 0; edit < 10; edit++) {
    await writeFile(join(folder, 'a'), String(edit))
    await utimes(join(folder, 'a'), date, date)
    hashes.add((await packed(folder, cacheDir)).hash)
  }
  assert.equal(hashes.size, 10)
})

test('a file that had changed just before the last look is read again, whatever its date says', async () => {
  const folder = await aFolder({ a: 'now' })
  const cacheDir = fresh()
  await packed(folder, cacheDir)
  const note = join(cacheDir, (await readdir(cacheDir)).find((name) => name.endsWith('.json')) ?? '')
  const found: { recent: Record<string, string> } = JSON.parse(readFileSync(note, 'utf8'))
  assert.deepEqual(Object.keys(found.recent), ['a'])
  await writeFile(note, JSON.stringify({ ...found, recent: { a: 'the hash of what it held then' } }))
  assert.equal((await packed(folder, cacheDir)).cached, false)
})

test('a note or an archive that was damaged is not trusted', async () => {
  const folder = await aFolder({ a: '1' })
  const cacheDir = fresh()
  const { path, hash } = await packed(folder, cacheDir)
  await writeFile(path, 'short')
  assert.deepEqual([(await packed(folder, cacheDir)).cached, readFileSync(path).length > 5], [false, true])
  for (const name of await readdir(cacheDir)) if (name.endsWith('.json')) await writeFile(join(cacheDir, name), '{"x')
  const repaired = await packed(folder, cacheDir)
  assert.deepEqual([repaired.cached, repaired.hash], [false, hash])
})

test('archives that nobody used for a week are removed, and packed again when needed', async () => {
  const [one, other, cacheDir] = [await aFolder({ a: '1' }), await aFolder({ a: '2' }), fresh()]
  const { path } = await packed(one, cacheDir)
  const weekAgo = new Date(Date.now() - 8 * 86_400_000)
  await utimes(path, weekAgo, weekAgo)
  const kept = await packed(other, cacheDir)
  assert.deepEqual([existsSync(path), existsSync(kept.path)], [false, true])
  assert.deepEqual([(await packed(one, cacheDir)).cached, existsSync(path)], [false, true])
})

test('ignore files are honoured as git does: nested, negated, by case, and .isobarignore last', async () => {
  const folder = await aFolder({
    '.gitignore': '*.log\n/build/\n!keep.log\ndata/*\n!data/small\n',
    '.isobarignore': 'secret.txt\n!wanted.log\n',
    'a.log': '',
    'A.LOG': '',
    'keep.log': '',
    'wanted.log': '',
    'secret.txt': '',
    'build/x': '',
    'sub/build/x': '',
    'data/small': '',
    'data/large': '',
    'sub/.gitignore': '!*.log\n*.tmp\n',
    'sub/b.log': '',
    'sub/c.tmp': '',
    'c.tmp': '',
    'node_modules/x': '',
    '.git/HEAD': '',
    'sub/.git': 'gitdir: x',
    '.env': '',
  })
  const names = namesIn(await packed(folder))
    .filter((name) => !name.endsWith('/'))
    .sort()
  const expected = [
    '.env',
    '.gitignore',
    '.isobarignore',
    'A.LOG',
    'c.tmp',
    'data/small',
    'keep.log',
    'node_modules/x',
    'sub/.gitignore',
    'sub/b.log',
    'sub/build/x',
    'wanted.log',
  ]
  assert.deepEqual(names, expected)
})

test('in a checkout the ignore files above the folder count too, unless they leave out the folder itself', async () => {
  const checkout = await aFolder({
    '.git/HEAD': '',
    '.gitignore': '*.pyc\n/out/\n',
    'app/.x': '',
    'app/a.pyc': '',
    'app/a.py': '',
    'out/a.pyc': '',
  })
  assert.deepEqual(namesIn(await packed(join(checkout, 'app'))), ['.x', 'a.py'])
  assert.deepEqual(namesIn(await packed(join(checkout, 'out'))), ['a.pyc'])
})

test('links that lead out of the folder are refused by name, those inside are kept', async () => {
  const outside = await aFolder({ x: '1' })
  for (const target of [outside, '/etc/passwd', '../other', 'in/../../up', 'hop/../../x']) {
    const folder = await aFolder({ 'in/y': '' })
    await symlink('in', join(folder, 'hop'))
    await symlink(target, join(folder, 'stray'))
    const { problem, fix } = refused(await packBundle(folder, { cacheDir: fresh() }))
    assert.match(problem, /links lead out of the folder: stray$/)
    assert.match(fix, /\.isobarignore/)
    await writeFile(join(folder, '.isobarignore'), 'stray')
    assert.deepEqual(namesIn(await packed(folder)), ['.isobarignore', 'hop', 'in/', 'in/y'])
  }
})

test('a folder that is too large is refused, with the largest things in it', async () => {
  const folder = await aFolder({ 'data/big': 'x'.repeat(3_000_000), small: 'x' })
  const tooLarge = refused(await packBundle(folder, { cacheDir: fresh(), mostBytes: 1_000_000 }))
  assert.match(tooLarge.problem, /holds 2\.9 MB, the most is 1\.0 MB; largest: data\/big \(2\.9 MB\)/)
  assert.match(refused(await packBundle(folder, { cacheDir: fresh(), mostEntries: 2 })).problem, /3 entries/)
  assert.match(refused(await packBundle(join(folder, 'small'), { cacheDir: fresh() })).problem, /not a folder/)
})

test('pipes and sockets are left out and named', { skip: process.platform === 'win32' }, async () => {
  const folder = await aFolder({ a: '' })
  execFileSync('mkfifo', [join(folder, 'pipe')])
  const bundle = await packed(folder)
  assert.deepEqual([bundle.skipped, namesIn(bundle)], [['pipe'], ['a']])
})

test('a bundle with another hash is not unpacked', async () => {
  const { path } = await packed(await aFolder({ a: '' }))
  const out = fresh()
  const { problem, fix } = refused(await unpackBundle(createReadStream(path), out, 'f'.repeat(64)))
  assert.match(problem, /not ffff/)
  assert.equal(fix, 'fetch it again')
  assert.equal(existsSync(out), false)
})

test('a folder with something in it is not unpacked over', async () => {
  const { path, hash } = await packed(await aFolder({ a: '' }))
  const out = await aFolder({ mine: 'kept' })
  await assert.rejects(unpackBundle(path, out, hash), /ENOTEMPTY/)
  assert.equal(readFileSync(join(out, 'mine'), 'utf8'), 'kept')
})

type Item = {
  path: string
  type?: 'File' | 'SymbolicLink' | 'Link' | 'CharacterDevice' | 'Directory'
  linkpath?: string
}

function anArchive(items: Item[]): Buffer {
  const blocks = items.map(({ type = 'File', ...item }) => {
    const block = Buffer.alloc(512)
    new Header({ mode: 0o644, size: 0, type, ...item }).encode(block, 0)
    return block
  })
  return Buffer.concat([...blocks, Buffer.alloc(1024)])
}

async function unpackBytes(bytes: Uint8Array, out = fresh()) {
  const archive = fresh()
  await writeFile(archive, bytes)
  return unpackBundle(archive, out, createHash('sha256').update(bytes).digest('hex'))
}

test('nothing in an archive leads out of the folder it is unpacked into', async () => {
  const bad: Item[][] = [
    [{ path: '../evil' }],
    [{ path: '/tmp/evil' }],
    [{ path: 'a/../../evil' }],
    [{ path: 'l', type: 'SymbolicLink', linkpath: '/etc' }],
    [{ path: 'a/l', type: 'SymbolicLink', linkpath: '../../x' }],
    [{ path: 'hard', type: 'Link', linkpath: '/etc/passwd' }],
    [{ path: 'dev', type: 'CharacterDevice' }],
    [{ path: 'twice' }, { path: 'twice' }],
    // Each link stays inside by what it says; together they lead two folders up.
    [
      { path: 'p/q/b', type: 'SymbolicLink', linkpath: '..' },
      { path: 'p/q/a', type: 'SymbolicLink', linkpath: 'b/../..' },
    ],
    [
      { path: 'p/a', type: 'SymbolicLink', linkpath: '.' },
      { path: 'p/a/evil', type: 'SymbolicLink', linkpath: 'x' },
    ],
    [{ path: 'l', type: 'SymbolicLink', linkpath: 'd' }, { path: 'l/x' }],
  ]
  for (const items of bad) {
    const out = fresh()
    assert.match(refused(await unpackBytes(anArchive(items), out)).problem, /cannot be unpacked/, JSON.stringify(items))
    assert.equal(existsSync(out), false)
  }
  assert.deepEqual(await unpackBytes(anArchive([{ path: './ok' }])), { files: 1 })
})

test('damaged archives are refused and never throw', async () => {
  const good = readFileSync((await packed(await aFolder({ a: 'x'.repeat(2000), 'b/c': 'y' }))).path)
  await fc.assert(
    fc.asyncProperty(fc.nat(good.length - 1), fc.nat(255), fc.nat(good.length), async (at, byte, length) => {
      const bytes = Buffer.from(good).subarray(0, Math.max(1, length))
      bytes[at % bytes.length] = byte
      const out = fresh()
      const result = await unpackBytes(bytes, out)
      assert.ok('files' in result || existsSync(out) === false)
    }),
    { numRuns: 60 },
  )
})
