import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { dirname, join, normalize, sep } from 'node:path'
import { test } from 'node:test'

/** The floors of the house: a room imports only rooms on lower floors. */
const floors: Record<string, number> = {
  kit: 1,
  model: 2,
  engine: 3,
  providers: 3,
  store: 3,
  agent: 3,
  reconcilers: 4,
  gateway: 4,
  api: 4,
  server: 5,
  simulator: 6,
  cli: 7,
}

const files = globSync('src/**/*.ts')
const sources = new Map(files.map((file) => [file, readFileSync(file, 'utf8')]))
const production = files.filter((file) => !file.endsWith('.test.ts'))
const room = (file: string) => file.split(sep)[1] ?? ''

/** Files that a file imports, by any form of import. */
function imports(file: string): string[] {
  const found = [...(sources.get(file) ?? '').matchAll(/(?:from|import)\s*\(?\s*['"]([^'"]+)['"]/g)].map(
    ([, to]) => to ?? '',
  )
  return found.flatMap((to) => {
    if (to.startsWith('.')) return [normalize(join(dirname(file), to))]
    return to.startsWith('#') ? [join('src', to.slice(1))] : []
  })
}

test('a room imports only rooms on lower floors, and none on its own', () => {
  const wrong = production.flatMap((file) =>
    imports(file)
      .filter((to) => room(to) !== room(file) && (floors[room(to)] ?? 99) >= (floors[room(file)] ?? 0))
      .map((to) => `${file} → ${to}`),
  )
  assert.deepEqual(wrong, [])
})

test('every file is in a room, and every room has a file', () => {
  assert.deepEqual([...new Set(files.map(room))].sort(), Object.keys(floors).sort())
})

test('no circle of imports', () => {
  const done = new Set<string>()
  const circles: string[] = []
  const visit = (file: string, path: string[]): void => {
    if (path.includes(file)) circles.push([...path.slice(path.indexOf(file)), file].join(' → '))
    if (done.has(file) || path.includes(file)) return
    for (const to of imports(file)) visit(to, [...path, file])
    done.add(file)
  }
  for (const file of production) visit(file, [])
  assert.deepEqual(circles, [])
})

test('no import climbs: ./ inside a folder, #room/ elsewhere', () => {
  const wrong = files.filter((file) => /from\s+['"]\.\.\//.test(sources.get(file) ?? ''))
  assert.deepEqual(wrong, [])
})

test('the engine is pure: no clock, no randomness, no node module', () => {
  const wrong = production
    .filter((file) => room(file) === 'engine')
    .filter((file) =>
      /Date\.now|new Date\(|Math\.random|from 'node:|performance\.|process\./.test(sources.get(file) ?? ''),
    )
  assert.deepEqual(wrong, [])
})
