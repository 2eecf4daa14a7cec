import { writeFileSync } from 'node:fs'
import { resolve } from 'node:path'

import type { Call } from '#cli/call.ts'
import { CliFault, exitCodes } from '#cli/fault.ts'
import type { Imported } from '#cli/import/imported.ts'
import { note, plain, write } from '#cli/io.ts'
import { showOne } from '#cli/output/show.ts'
import { count } from '#cli/output/words.ts'
import { readSpec } from '#cli/submission.ts'

/** `isobar import`: a spec from what others run with, and what it does not say as its source did. */
export async function importFile(call: Call): Promise<void> {
  const [file = '-'] = call.args
  const { text, filename } = await readSpec(call.io, file)
  const { importSpecs } = await import('#cli/import/imported.ts')
  const read = importSpecs({ text, filename, entrypoint: call.text('entrypoint') })
  if ('problems' in read) {
    const { renderProblems } = await import('#model/spec/problem.ts')
    throw new CliFault(`no spec can be made of ${filename}`, {
      code: exitCodes.usage,
      why: renderProblems(read.problems),
      next: ['correct it there, or write a spec: isobar init'],
    })
  }
  const { notes } = read
  const left = notes.filter(({ what }) => what === 'left out')
  if (call.format.kind === 'table' || call.format.kind === 'wide') tell(call, notes)
  if (call.flag('strict') && left.length > 0)
    throw new CliFault(`${count(left.length, 'field')} of ${filename} could not be carried over`, {
      code: exitCodes.usage,
      why: left.map(({ line, column, path }) => `${filename}:${line}:${column}: ${path}`).join('\n'),
      next: [`isobar import ${file} (without --strict: what is left out is told)`],
    })
  await give(call, read, file)
}

/** Each thing on two lines: where and why, and what to do. */
function tell({ io }: Call, notes: Imported['notes']): void {
  for (const { file, line, column, what, path, message, fix } of notes) {
    note(io, plain(`${file}:${line}:${column}: ${what}: ${path === '' ? '' : `${path}: `}${message}`))
    note(io, plain(`  fix: ${fix}`))
  }
}

async function give(call: Call, { specs, text, notes }: Imported, file: string): Promise<void> {
  const to = call.text('file')
  const forPeople = call.format.kind === 'table' || call.format.kind === 'wide'
  const name = () => specs.map((spec) => spec.name).join('\n')
  // What is written is a file, not a text for people: it must come out as it is.
  const show = () =>
    forPeople ? write(call.io, text) : showOne(call, { data: { specs, notes }, name, people: () => text })
  if (to === undefined || to === '-') return show()
  try {
    writeFileSync(resolve(call.io.cwd, to), text, { flag: 'wx' })
  } catch (error) {
    const isThere = error instanceof Error && 'code' in error && error.code === 'EEXIST'
    throw new CliFault(isThere ? `${to} is there already and stays as it is` : `${to} cannot be written`, {
      code: isThere ? exitCodes.conflict : exitCodes.failed,
      why: isThere || !(error instanceof Error) ? '' : error.message,
      next: [`isobar import ${file} --file <another path>`],
    })
  }
  if (!forPeople) await show()
  note(call.io, `${to} is written. next: isobar plan ${to}`)
}
