import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

import { z } from 'zod'

import { ProjectDocument } from '#model/project-document.ts'
import { mostLevels } from '#model/project-tree.ts'

import { type JsonSchema, jsonSchemaOf, kinds } from './schema-walk.ts'
import { Spec } from './spec.ts'

// Writes schemas/spec.schema.json and docs/reference/spec.md; with --check, only says whether they are up to date.

const introduction = `# The spec

Generated from \`src/model/spec\`; do not edit.

A spec is a YAML 1.2 or JSON document that says what to run. A file may hold several, with \`---\` between them. Fields
that nobody knows, and those that cannot be honoured, are refused.

- **Durations** are written \`90s\`, \`1h30m\` or \`7d\`; a bare number counts seconds.
- **Sizes** are written \`512MB\`, \`80GB\` or \`1.5TB\`, in powers of two; a bare number counts gibibytes.
- **Money** is written \`$12.50\`, a price for one hour \`$20/h\`.
- **Accelerators** are written \`H200:8\` (a model) or \`80GB+:8\` (any whose memory suffices), eight in one node;
  \`H100:0.5\` (half of one, in steps of 0.01) or \`A100/1g.5gb\` (a slice that MIG cuts). A list stands in the order of
  preference; of \`{any: […]}\` the cheapest is taken.
- \`+\` behind an amount means at least so much.
- In the environment, Isobar itself sets the names \`ISOBAR_*\`, and for a service \`PORT\` and \`PORT_8080\` (for port
  8080); a spec cannot. It presets \`MASTER_ADDR\`, \`MASTER_PORT\`, \`NODE_RANK\` and \`NNODES\`; a spec may.
- A data set without \`jurisdictions\` does not limit where work on it may run.
- Of \`workdir\`, what \`.gitignore\` and \`.isobarignore\` name stays behind, and \`.git\`; nothing else does, so name
  \`node_modules\` there if it is not to come along.
`

/** JSON Schema (draft 2020-12) of one document, for editors. */
export const specSchemaText = (): string =>
  `${JSON.stringify({ title: 'Isobar spec', ...z.toJSONSchema(Spec, { io: 'input' }) }, null, 2)}\n`

/** The reference for people: tables of the common fields and of each kind's own, the fields of mappings below them. */
export function specReferenceText(): string {
  const schemas = kinds.map(jsonSchemaOf)
  const everywhere = (field: string): boolean =>
    schemas.every(({ properties = {} }) => field in properties && field !== 'kind')
  const common = section('Fields of every kind', '', pick(jsonSchemaOf('job'), everywhere))
  const own = kinds.map((kind) => {
    const schema = pick(jsonSchemaOf(kind), (field) => field === 'kind' || !everywhere(field))
    return section(`kind: ${kind}`, `${schema.description ?? ''}\n\n`, schema)
  })
  return [introduction, common, ...own].join('\n')
}

const projectIntroduction = `# Projects in a file

Generated from \`src/model/project-document.ts\`; do not edit.

What \`isobar projects set --file\` takes and \`isobar projects show\` writes: YAML or JSON, one or several documents with
\`---\` between them. What a document does not say is as in a new project. How to use it:
[budgets and quotas](../how-to/budgets-and-quotas.md).

- Projects form trees of at most ${mostLevels} levels. A parent may have work of its own, or none.
- Alone in its tree, a project is not limited in what it has no quota of. In a tree where anybody has a quota of a
  resource, who has none owns none of it, and may borrow it.
- \`borrowing\` and \`lending\` are for projects that have a parent.

`

/** The reference of projects for people. */
const projectReferenceText = (): string => projectIntroduction + section('Fields', '', projectSchema())

const projectSchema = () => z.toJSONSchema(ProjectDocument, { io: 'input' }) as JsonSchema // zod's is wider

const pick = (schema: JsonSchema, wanted: (field: string) => boolean): JsonSchema => ({
  ...schema,
  properties: Object.fromEntries(Object.entries(schema.properties ?? {}).filter(([field]) => wanted(field))),
})

const section = (title: string, lead: string, schema: JsonSchema): string =>
  `## ${title}\n\n${lead}| field | type | default | meaning |\n|---|---|---|---|\n${rows(schema, '')}`

function rows(schema: JsonSchema, path: string): string {
  const { properties = {}, required = [] } = schema
  return Object.entries(properties)
    .map(([name, field]) => {
      const full = path === '' ? name : `${path}.${name}`
      const preset = required.includes(name) && path === '' ? 'required' : defaultText(field)
      const row = `| \`${full}\` | ${cell(typeText(field))} | ${cell(preset)} | ${cell(meaning(field))} |\n`
      const inner = field.properties ?? field.items?.properties
      return inner ? row + rows({ properties: inner }, field.items ? `${full}[]` : full) : row
    })
    .join('')
}

function typeText(field: JsonSchema): string {
  if (field.const !== undefined) return `\`${String(field.const)}\``
  if (field.enum) return field.enum.map((value) => `\`${String(value)}\``).join(', ')
  if (field.anyOf) return [...new Set(field.anyOf.map(typeText))].join(' or ')
  if (field.type === 'array') return `list of ${field.items ? typeText(field.items) : 'anything'}`
  if (field.type === 'object') return 'mapping'
  return { string: 'text', integer: 'whole number', boolean: 'true or false' }[field.type ?? ''] ?? field.type ?? ''
}

const defaultText = ({ default: preset }: JsonSchema): string =>
  preset === undefined || JSON.stringify(preset) === '{}' || JSON.stringify(preset) === '[]'
    ? ''
    : `\`${JSON.stringify(preset)}\``

function meaning(field: JsonSchema): string {
  const { description = '', examples = field.anyOf?.[0]?.examples ?? [] } = field
  const shown = examples.map((each) => `\`${typeof each === 'string' ? each : JSON.stringify(each)}\``).join(', ')
  return shown === '' ? description : `${description} Such as ${shown}.`
}

const cell = (text: string): string => text.replaceAll('|', '\\|')

/** The files that this makes, below the repository's root. */
export const generated: Record<string, () => string> = {
  'schemas/spec.schema.json': specSchemaText,
  'schemas/project.schema.json': () => `${JSON.stringify({ title: 'Isobar project', ...projectSchema() }, null, 2)}\n`,
  'docs/reference/spec.md': specReferenceText,
  'docs/reference/projects.md': projectReferenceText,
}

const pathOf = (file: string): string => fileURLToPath(new URL(`../../../${file}`, import.meta.url))

/** The generated files that are not what they should be. */
export const staleFiles = (): string[] =>
  Object.entries(generated)
    .filter(([file, make]) => readFileSync(pathOf(file), 'utf8') !== make())
    .map(([file]) => file)

if (import.meta.main && !process.argv.includes('--check')) {
  for (const [file, make] of Object.entries(generated)) writeFileSync(pathOf(file), make())
} else if (import.meta.main) {
  for (const file of staleFiles()) {
    process.stderr.write(`${file} is out of date: run node src/model/spec/generate.ts\n`)
    process.exitCode = 1
  }
}
