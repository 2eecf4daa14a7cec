import type { Project } from './project.ts'

/** From a project to the one above all; more would be a mistake, and trees are walked for each decision. */
export const mostLevels = 16

/** Why projects are no trees. */
export type TreeProblem =
  | { problem: 'no-parent'; name: string; parent: string }
  /** From one project up to itself again. */
  | { problem: 'circle'; path: string[] }
  | { problem: 'too-deep'; name: string }

/** What keeps projects from being trees of at most `mostLevels` levels, or null. */
export function treeProblem(projects: readonly Pick<Project, 'name' | 'parent'>[]): TreeProblem | null {
  const parents = new Map(projects.map(({ name, parent }) => [name, parent]))
  for (const { name } of projects) {
    const path = [name]
    for (let parent = parents.get(name) ?? null; parent !== null; parent = parents.get(parent) ?? null) {
      if (!parents.has(parent)) return { problem: 'no-parent', name: path.at(-1) ?? name, parent }
      path.push(parent)
      if (path.indexOf(parent) < path.length - 1) return { problem: 'circle', path: path.slice(path.indexOf(parent)) }
      if (path.length > mostLevels) return { problem: 'too-deep', name }
    }
  }
  return null
}
