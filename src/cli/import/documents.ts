import type { Document } from 'yaml'

import { Book } from './book.ts'
import type { Draft } from './draft.ts'
import { Field } from './field.ts'
import { mostNotes, noteAt, tooManyNotes, type Read } from './note.ts'
import { explainYaml, parseDocuments } from '#model/spec/documents.ts'
import { pathText } from '#model/spec/explain.ts'
import { isEmpty, locate, toPlain } from '#model/spec/plain.ts'
import type { Source, SpecProblem } from '#model/spec/problem.ts'

import { known as tasks } from './skypilot/known.ts'
import { isTask, readTask } from './skypilot/task.ts'

import { known } from './kubernetes/known.ts'
import type { Setting } from './kubernetes/around.ts'
import { readManifest } from './kubernetes/manifest.ts'

/** Reads the documents of a file, each an object of Kubernetes, a List of them, or a task of SkyPilot. */
export function readDocuments(text: string, source: Source, entrypoint: string | undefined): Read {
  const documents = parseDocuments(text, source)
  if (!Array.isArray(documents)) return { problems: [documents] }
  const plain = documents
    .filter((document) => document.errors.length > 0 || !isEmpty(document))
    .map((document) => ({ document, ...plainly(document, source, text) }))
  const flaws = plain.flatMap(({ problems }) => problems)
  if (flaws.length > 0) return { problems: flaws }
  const setting: Around = { entrypoint, configMaps: configMapsIn(plain.flatMap(({ value }) => objectsIn(value))) }
  const read = plain.map(({ document, value }) => ({ document, ...readDocument(value, setting) }))
  const count = read.reduce((sum, { book }) => sum + book.told.length, 0)
  if (count > mostNotes) return tooManyNotes(source, count)
  const problems = read.flatMap(({ document, book }) =>
    book.refused.map(({ path, ...refused }) =>
      source.problem(locate(document, path, 'key'), { path: pathText(path), ...refused }),
    ),
  )
  if (problems.length > 0) return { problems }
  return {
    drafts: read.flatMap(({ drafts }) => drafts),
    notes: read.flatMap(({ document, book }) =>
      book.told.map(({ path, ...told }) =>
        noteAt(source, locate(document, path, 'key'), { path: pathText(path), ...told }),
      ),
    ),
    carried: read.flatMap(({ carried }) => carried),
  }
}

function plainly(document: Document.Parsed, source: Source, text: string): { value: unknown; problems: SpecProblem[] } {
  if (document.errors.length > 0)
    return { value: null, problems: document.errors.slice(0, 3).map((error) => explainYaml(error, source, text)) }
  const { value, flaws } = toPlain(document)
  return {
    value,
    problems: flaws.map(({ at, path, ...flaw }) => source.problem(at, { path: pathText(path), ...flaw })),
  }
}

type Around = Omit<Setting, 'object'>
type Account = { book: Book; drafts: Draft[]; carried: { kind: string; from: string; to: string }[] }

function readDocument(value: unknown, setting: Around): Account {
  const book = new Book()
  const result: Account = { book, drafts: [], carried: [] }
  const root = new Field(book, value)
  const isList = itemsOf(value) !== undefined
  if (isList) for (const name of ['apiVersion', 'kind', 'metadata']) root.at(name).skip()
  const manifests = isList ? root.at('items').items() : [root]
  for (const { path, value: object } of manifests) {
    const before = book.carried.length
    const field = new Field(book, object, { path })
    const isOther = isRecord(object) && isTask(object)
    const draft = isOther ? readTask(field) : readManifest(field, setting)
    if (draft) result.drafts.push(draft)
    const kind = isOther ? 'a task of SkyPilot' : String(kindOf(object))
    result.carried.push(...book.carried.slice(before).map((carried) => ({ kind, ...carried })))
  }
  book.close(value, isRecord(value) && isTask(value) ? tasks : known)
  return result
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const kindOf = (value: unknown): unknown => (isRecord(value) ? value.kind : undefined)

/** The members of a List; undefined for other objects. */
function itemsOf(value: unknown): unknown[] | undefined {
  const isList = isRecord(value) && String(value.kind).endsWith('List') && Array.isArray(value.items)
  return isList && Array.isArray(value.items) ? value.items : undefined
}

const objectsIn = (value: unknown): unknown[] => itemsOf(value) ?? [value]

/** What the ConfigMaps among objects hold, by their names. */
function configMapsIn(objects: readonly unknown[]): Map<string, Record<string, string>> {
  const maps = new Map<string, Record<string, string>>()
  for (const object of objects) {
    if (!isRecord(object) || object.kind !== 'ConfigMap' || !isRecord(object.metadata) || !isRecord(object.data))
      continue
    const pairs = Object.entries(object.data).flatMap(([name, value]) =>
      typeof value === 'string' ? [[name, value] as const] : [],
    )
    maps.set(String(object.metadata.name), Object.fromEntries(pairs))
  }
  return maps
}
