import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'

// What is loaded at the start of a command decides how long it takes to answer.

/** Files and packages that a file loads as it is loaded: imports of types are gone by then, lazy ones come later. */
function loaded(file: string, seen = new Set<string>()): Set<string> {
  if (seen.has(file)) return seen
  seen.add(file)
  for (const [, , to = ''] of readFileSync(file, 'utf8').matchAll(
    /^(import|export)\s(?!type\b)[^'"]*?from '([^']+)'/gm,
  )) {
    if (to.startsWith('.')) loaded(join(dirname(file), to), seen)
    else if (to.startsWith('#')) loaded(join('src', to.slice(1)), seen)
    else if (!to.startsWith('node:')) seen.add(to)
  }
  return seen
}

const packages = (files: Iterable<string>): string[] => [...files].filter((file) => !file.includes('/'))

test('help loads commander, and nothing else but files of the command line and the kit', () => {
  const files = loaded('src/cli/main.ts')
  assert.deepEqual(packages(files), ['commander'])
  const strange = [...files].filter((file) => file.includes('/') && !/^src\/(cli|kit)\//.test(file))
  assert.deepEqual(strange, [])
})

test('no command over the API loads zod, the server or a database driver', () => {
  // These work in the server's room, which is why they load it only when they are called.
  const commands = globSync('src/cli/commands/*.ts').filter((file) => !file.endsWith('.test.ts'))
  assert.ok(commands.length > 15)
  for (const command of commands) {
    const files = loaded(command)
    const strange = [...files].filter((file) => /^src\/(server|store|api|model|engine|providers|agent)\//.test(file))
    assert.deepEqual([...packages(files), ...strange], [], command)
  }
})
