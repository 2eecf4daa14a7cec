import { createHash } from 'node:crypto'
import { constants } from 'node:fs'
import { copyFile, cp, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join, relative, sep } from 'node:path'

import { create } from 'tar/create'

import { agentFiles, home } from '#providers/agent-files.ts'

const entry = 'bin/isobar-gang.js'

/**
 * Puts the agent into a folder of a foreign machine's disk: its files, what they import, the libraries those need, and
 * the Node that runs us. It lies in a folder named by what is in it, so that another version comes beside it and
 * nothing that runs is ever changed. Gives that folder.
 */
export const installAgent = (folder: string): Promise<string> => kept(folder, '', lay)

/** The same as a tar archive, for those who fetch it: gives its path. */
export const packAgent = (folder: string): Promise<string> =>
  kept(folder, '.tar', async (program, path) => {
    const whole = `${path}.folder`
    try {
      await lay(program, whole)
      await create({ cwd: whole, file: path, portable: true }, await readdir(whole))
    } finally {
      await rm(whole, { recursive: true, force: true })
    }
  })

/** Makes something of the agent once, whoever is first, under the name of what is in it. */
async function kept(
  folder: string,
  suffix: string,
  make: (program: Program, path: string) => Promise<void>,
): Promise<string> {
  const program = await agentProgram()
  const path = join(folder, `${program.hash}${suffix}`)
  if (await isThere(path)) return path
  const partial = join(folder, `.${program.hash}.${process.pid}.${Math.random().toString(36).slice(2)}`)
  try {
    await make(program, partial)
    await rename(partial, path)
  } catch (error) {
    await rm(partial, { recursive: true, force: true })
    if (!(await isThere(path))) throw error // else somebody else was first
  }
  return path
}

async function lay(program: Program, path: string): Promise<void> {
  for (const file of program.files) {
    await mkdir(dirname(join(path, file)), { recursive: true, mode: 0o700 })
    await copyFile(join(home, file), join(path, file))
  }
  for (const [name, from] of program.libraries)
    await cp(from, join(path, 'node_modules', name), { recursive: true, dereference: true, filter: ownFiles(from) })
  await writeFile(join(path, 'package.json'), program.manifest)
  await copyFile(process.execPath, join(path, 'node'), constants.COPYFILE_FICLONE)
}

/** What is started in such a folder. */
export const agentEntry = entry

/** Libraries of a library are installed beside it. */
const ownFiles =
  (root: string) =>
  (path: string): boolean =>
    !relative(root, path).split(sep).includes('node_modules')

type Program = { hash: string; files: string[]; libraries: Map<string, string>; manifest: string }

let known: Promise<Program> | undefined
const agentProgram = (): Promise<Program> => (known ??= findProgram())

async function findProgram(): Promise<Program> {
  const { files, libraries: imported, manifest } = await agentFiles(entry)
  const hash = createHash('sha256').update(`${process.version} ${process.arch}\n${manifest}\n`)
  for (const [file, text] of files) hash.update(`${file} ${text.length}\n${text}`)
  const libraries = new Map<string, string>()
  for (const { name, importer } of imported) await addLibrary(libraries, name, join(home, importer))
  for (const [name, from] of libraries) hash.update(`${name} ${await versionOf(from)}\n`)
  return { hash: hash.digest('hex').slice(0, 16), files: [...files.keys()], libraries, manifest }
}

async function addLibrary(libraries: Map<string, string>, imported: string, importer: string): Promise<void> {
  const name = imported.split('/', imported.startsWith('@') ? 2 : 1).join('/')
  const folder =
    createRequire(importer)
      .resolve.paths(name)
      ?.map((path) => join(path, name)) ?? []
  for (const from of folder) {
    if (!(await isThere(from))) continue
    const before = libraries.get(name)
    if (before !== undefined && before !== from) throw new Error(`the agent would need two versions of ${name}`)
    if (before !== undefined) return
    libraries.set(name, from)
    const { dependencies = {} } = await manifestOf(from)
    for (const next of Object.keys(dependencies)) await addLibrary(libraries, next, join(from, 'package.json'))
    return
  }
  throw new Error(`the library ${name} of the agent is not installed`)
}

type Manifest = { version: string; dependencies?: Record<string, string> }

const manifestOf = async (folder: string): Promise<Manifest> =>
  JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as Manifest // every library has one

const versionOf = async (folder: string): Promise<string> => (await manifestOf(folder)).version

const isThere = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  )
