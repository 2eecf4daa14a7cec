import { z } from 'zod'

import { formatMoney } from '#kit/money.ts'

import { Jurisdiction, Name, ProviderName, SiteKey } from './names.ts'
import { Preemption, Project, type Quota } from './project.ts'
import { mostBytes } from './spec/documents.ts'
import { explainFields } from './spec/explain.ts'
import { createSource, type SpecProblem } from './spec/problem.ts'
import { readWritten } from './spec/read-written.ts'
import type { JsonSchema } from './spec/schema-walk.ts'
import { hourlyMicros, moneyMicros } from './spec/text.ts'

const isWholeMilli = (n: number): boolean => Math.abs(n * 1000 - Math.round(n * 1000)) < 1e-4

const amount = z.int().min(0)
const quotaFields = {
  cpus: z
    .number()
    .min(0)
    .max(1_000_000_000)
    .refine(isWholeMilli, 'is finer than a thousandth; write for example 0.5')
    .optional()
    .meta({ description: 'CPUs.' }),
  accelerators: amount.optional().meta({ description: 'Accelerators.' }),
  nodes: amount.optional().meta({ description: 'Nodes.' }),
  domains: z
    .strictObject({
      nvlink: amount.optional().meta({ description: 'NVLink domains.' }),
      block: amount.optional().meta({ description: 'Blocks.' }),
    })
    .optional()
    .meta({ description: 'Domains of a topology in which it holds anything.' }),
}

const quota = (description: string) =>
  z
    .strictObject(quotaFields)
    .meta({ description })
    .transform(({ cpus, ...rest }): Quota => ({
      ...rest,
      ...(cpus !== undefined && { cpuMilli: Math.round(cpus * 1000) }),
    }))
    .prefault({})

/** A project as people write it in a file. What is absent is as in a new project. */
export const ProjectDocument = z
  .strictObject({
    name: Name.meta({ description: 'What people call it.' }),
    parent: Name.optional().meta({ description: 'The project that it is part of.' }),
    weight: z.int().min(1).max(1_000_000).default(1).meta({ description: 'Its share beside others of its parent.' }),
    quota: quota('What is its own.'),
    borrowing: quota('The most that it may hold above its quota; absent: no limit.'),
    lending: quota('The most of its quota that others may hold; absent: all.'),
    budget: moneyMicros('What it may spend in all.').optional(),
    policy: z
      .strictObject({
        jurisdictions: z.array(Jurisdiction).max(50).optional().meta({ description: 'Only sites in one of these.' }),
        providers: z.array(ProviderName).max(20).optional().meta({ description: 'Only these providers.' }),
        sites: z
          .array(SiteKey)
          .max(100)
          .optional()
          .meta({ description: 'Only these sites.', examples: [['kubernetes/research']] }),
        maxProviderShare: z.number().min(0).max(1).optional().meta({
          description: 'Most of its live nodes at one provider.',
        }),
        maxPrice: hourlyMicros('The most that one node may cost in an hour.').optional(),
      })
      .transform(({ maxPrice, ...rest }) => ({ ...rest, ...(maxPrice !== undefined && { maxPriceMicros: maxPrice }) }))
      .prefault({})
      .meta({ description: 'Hard rules.' }),
    preemption: z
      .strictObject(Preemption.shape)
      .prefault({})
      .meta({ description: 'Who may be stopped for it, and how often its own work may be.' }),
  })
  .transform(({ budget, parent, ...rest }): Project => ({
    ...rest,
    parent: parent ?? null,
    budgetMicros: budget ?? null,
  }))

/** Reads the projects of a file: YAML or JSON, one or several documents. Gives all of them, or all that is wrong. */
export function readProjects(text: string, filename: string): { projects: Project[] } | { problems: SpecProblem[] } {
  if (text.length > mostBytes) {
    const message = `the file holds ${text.length} characters, the most is ${mostBytes}`
    return { problems: [createSource(filename, '').problem(0, { message, fix: 'split it into several files' })] }
  }
  const file = { text, filename, noun: 'project', hint: 'begin with `name: research`, one field a line' }
  const schema = z.toJSONSchema(ProjectDocument, { io: 'input' }) as JsonSchema // zod's is wider
  const read = readWritten<Project>(file, (root) => {
    const parsed = ProjectDocument.safeParse(root)
    if (parsed.success) return { value: parsed.data }
    return { problems: explainFields({ noun: 'a project', schema, root }, parsed.error.issues) }
  })
  return 'problems' in read ? read : { projects: read.values.map(({ value }) => value) }
}

/** The document that `readProjects` reads as this project; what is as in a new project is left out. */
export function writtenProject(project: Project): z.input<typeof ProjectDocument> {
  const { name, parent, weight, budgetMicros, policy, preemption } = project
  const { maxPriceMicros, ...rules } = policy
  const written = {
    name,
    parent,
    weight: weight === 1 ? null : weight,
    quota: writtenQuota(project.quota),
    borrowing: writtenQuota(project.borrowing),
    lending: writtenQuota(project.lending),
    budget: budgetMicros === null ? null : formatMoney(BigInt(budgetMicros)),
    policy: { ...rules, ...(maxPriceMicros !== undefined && { maxPrice: `${formatMoney(BigInt(maxPriceMicros))}/h` }) },
    preemption: Object.fromEntries(
      Object.entries(preemption).filter(([, value]) => value !== 'never' && value !== null),
    ),
  }
  return { ...Object.fromEntries(Object.entries(written).filter(([, value]) => isSaid(value))), name }
}

const isSaid = (value: unknown): boolean =>
  value !== null && (typeof value !== 'object' || Object.keys(value).length > 0)

const writtenQuota = ({ cpuMilli, ...rest }: Quota) => ({
  ...(cpuMilli !== undefined && { cpus: cpuMilli / 1000 }),
  ...rest,
})
