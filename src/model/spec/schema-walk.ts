import { z } from 'zod'

import { ArraySpec, JobSpec, ServiceSpec } from './spec.ts'

/** The part of JSON Schema that the schemas of specs use. */
export type JsonSchema = {
  type?: string
  description?: string
  default?: unknown
  const?: unknown
  enum?: unknown[]
  examples?: unknown[]
  pattern?: string
  minimum?: number
  maximum?: number
  properties?: Record<string, JsonSchema>
  required?: string[]
  additionalProperties?: JsonSchema | boolean
  items?: JsonSchema
  anyOf?: JsonSchema[]
}

export const kinds = ['job', 'service', 'array'] as const
export type Kind = (typeof kinds)[number]
export const kindSchemas = { job: JobSpec, service: ServiceSpec, array: ArraySpec }

/** JSON Schema of what a person writes for this kind. */
export function jsonSchemaOf(kind: Kind): JsonSchema {
  const schema = made.get(kind) ?? (z.toJSONSchema(kindSchemas[kind], { io: 'input' }) as JsonSchema) // zod's is wider
  made.set(kind, schema)
  return schema
}

/** It takes milliseconds to make one, and a file may hold a thousand mistakes. */
const made = new Map<Kind, JsonSchema>()

/** The schemas that a value at this path may have. */
export function schemasAt(root: JsonSchema, path: readonly PropertyKey[]): JsonSchema[] {
  let found = branches(root)
  for (const step of path) {
    found = found.flatMap((schema) => {
      const next = typeof step === 'number' ? schema.items : (schema.properties?.[String(step)] ?? rest(schema))
      return next ? branches(next) : []
    })
  }
  return found
}

const branches = (schema: JsonSchema): JsonSchema[] => [schema, ...(schema.anyOf ?? []).flatMap(branches)]

const rest = (schema: JsonSchema): JsonSchema | undefined =>
  typeof schema.additionalProperties === 'object' ? schema.additionalProperties : undefined

/** The fields that a mapping at this path may have. */
export const fieldsAt = (root: JsonSchema, path: readonly PropertyKey[]): string[] =>
  schemasAt(root, path).flatMap((schema) => Object.keys(schema.properties ?? {}))

/** An example of what may stand at this path, as one would write it. */
export function exampleAt(root: JsonSchema, path: readonly PropertyKey[]): string | undefined {
  const example = schemasAt(root, path).flatMap((schema) => schema.examples ?? [])[0]
  return example === undefined ? undefined : typeof example === 'string' ? example : JSON.stringify(example)
}

/** All fields of a schema, and where each stands first: `resources` for `cpus`. */
export function placesOfFields(root: JsonSchema): Map<string, string> {
  const places = new Map<string, string>()
  const search = (schema: JsonSchema, path: string): void => {
    const fields = branches(schema).flatMap(({ properties = {} }) => Object.entries(properties))
    for (const [key] of fields) if (!places.has(key)) places.set(key, path)
    for (const [key, inner] of fields) search(inner, path === '' ? key : `${path}.${key}`)
  }
  search(root, '')
  return places
}
