import type { Project } from './project.ts'

/** What a project may say and nothing honours yet: refused, never ignored; who honours it takes it out. */
const wishes: Record<string, (project: Project) => boolean> = {
  preemption: ({ preemption: { within, reclaim, perHour } }) =>
    within !== 'never' || reclaim !== 'never' || perHour !== null,
}

/** The first wish of a project that cannot be honoured yet, or null. */
export const notYet = (project: Project): string | null =>
  Object.keys(wishes).find((wish) => wishes[wish]?.(project)) ?? null
