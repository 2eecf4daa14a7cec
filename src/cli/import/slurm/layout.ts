import type { DraftResources } from '#cli/import/draft.ts'
import { formatSizeMiB } from '#kit/size.ts'
import { acceleratorModel } from '#model/spec/resources-text.ts'

import type { Sheet } from './options.ts'

/** One part of a job as Slurm would have laid it out. */
export type Layout = {
  nodes: number
  tasksPerNode: number
  resources: DraftResources
  gpusPerNode: number
  /** Of the part of the job that this is. */
  firstRank: number
  /** 0 where tasks see all of their node. */
  gpusPerTask: number
  cpus: number
}

/** Says of the first option that is there that it became something else. */
export type Tell = (names: string[], message: string, fix: string) => void

/** How many nodes, tasks and accelerators Slurm would have given. */
export function layoutOf(sheet: Sheet, tell: Tell): Omit<Layout, 'firstRank'> {
  const { tasks, gpus } = sheet
  let { nodes } = sheet
  const perNode = sheet.tasksPerNode
  if (nodes === undefined && tasks !== undefined && perNode !== undefined) nodes = Math.ceil(tasks / perNode)
  if (nodes === undefined && gpus && sheet.gpusPerNode) nodes = Math.ceil(gpus.count / sheet.gpusPerNode.count)
  if (nodes === undefined && (tasks ?? 1) > 1)
    tell(
      ['ntasks'],
      `all ${tasks} tasks run on one node, where Slurm may have used several`,
      'write nodes: N, and divide the resources by N',
    )
  nodes = Math.min(100_000, nodes ?? 1)
  if (perNode === undefined && tasks !== undefined && tasks % nodes > 0)
    tell(['ntasks'], `each of the ${nodes} nodes runs ${Math.ceil(tasks / nodes)} tasks`, 'write --ntasks-per-node')
  const tasksPerNode = perNode ?? Math.max(1, Math.ceil((tasks ?? 1) / nodes))
  const found =
    sheet.gpusPerNode ??
    (gpus && { ...gpus, count: Math.ceil(gpus.count / nodes) }) ??
    (sheet.gpusPerTask && { ...sheet.gpusPerTask, count: sheet.gpusPerTask.count * tasksPerNode })
  if (gpus && !sheet.gpusPerNode && gpus.count % nodes > 0)
    tell(
      ['gpus'],
      `each of the ${nodes} nodes has ${found?.count} accelerators`,
      'write resources: { accelerators: … } of one node',
    )
  const isTold = sheet.cpusPerTask !== undefined || tasksPerNode > 1
  const cpus = (sheet.cpusPerTask ?? 1) * tasksPerNode
  const count = found?.count ?? 0
  const memoryMiB =
    sheet.memoryMiB ??
    (sheet.memoryPerCpuMiB !== undefined
      ? sheet.memoryPerCpuMiB * cpus
      : sheet.memoryPerGpuMiB === undefined
        ? undefined
        : sheet.memoryPerGpuMiB * count)
  const resources: DraftResources = {
    ...(count > 0 && { accelerators: accelerators(count, found?.model, tell) }),
    ...(isTold && { cpus: `${cpus}+` }),
    ...(memoryMiB !== undefined && memoryMiB > 0 && { memory: `${formatSizeMiB(memoryMiB)}+` }),
    ...(sheet.diskMiB !== undefined && { disk: `${formatSizeMiB(sheet.diskMiB)}+` }),
  }
  return { nodes, tasksPerNode, resources, gpusPerNode: count, gpusPerTask: sheet.gpusPerTask?.count ?? 0, cpus }
}

function accelerators(count: number, model: string | undefined, tell: Tell): string {
  if (model !== undefined && acceleratorModel.test(model)) return `${model}:${count}`
  tell(
    ['gres', 'gpus-per-node', 'gpus', 'gpus-per-task'],
    `the script does not say of which model; 1GB+:${count} takes ${count} of any`,
    `write resources: { accelerators: H100:${count} }, with the model that you mean`,
  )
  return `1GB+:${count}`
}
