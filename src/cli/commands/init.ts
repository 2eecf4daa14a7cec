import { existsSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'

import type { Call } from '#cli/call.ts'
import { CliFault, exitCodes } from '#cli/fault.ts'
import { note, write } from '#cli/io.ts'
import { showOne } from '#cli/output/show.ts'
import { isKind, template } from '#cli/spec-template.ts'
import { didYouMean } from '#kit/did-you-mean.ts'

const kinds = ['job', 'service', 'array']

/** `isobar init`: a spec with comments, in a new file; to stdout where that is no terminal. */
export async function init(call: Call): Promise<void> {
  const [kind = 'job'] = call.args
  if (!isKind(kind)) {
    const near = didYouMean(kind, kinds)
    throw new CliFault(`there is no kind "${kind}"`, {
      code: exitCodes.usage,
      why: near ? `Did you mean ${near}?` : `There are ${kinds.join(', ')}.`,
      next: [`isobar init ${near ?? 'job'}`],
    })
  }
  const name = call.text('name') ?? kind
  const text = template(kind, name)
  const file = call.text('file') ?? `${kind}.yaml`
  if (file === '-') return write(call.io, text)
  const path = resolve(call.io.cwd, file)
  try {
    writeFileSync(path, text, { flag: 'wx' })
  } catch (error) {
    throw new CliFault(existsSync(path) ? `${file} is there already and stays as it is` : `${file} cannot be written`, {
      code: existsSync(path) ? exitCodes.conflict : exitCodes.failed,
      why: existsSync(path) ? '' : error instanceof Error ? error.message : String(error),
      next: [`isobar init ${kind} --file <another path>`],
    })
  }
  await showOne(call, { data: { file: path, kind, name }, name: () => file, people: () => '' })
  note(call.io, `${file} is written. next: isobar run ${file}`)
}
