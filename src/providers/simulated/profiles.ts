import { z } from 'zod'

import type { GivenFaults } from './faults.ts'

export const ProfileName = z.enum(['aws', 'azure', 'gcp', 'oci', 'coreweave', 'kubernetes', 'slurm', 'local'])
export type ProfileName = z.infer<typeof ProfileName>

export const profiles: Record<ProfileName, GivenFaults> = {
  aws: {},
  azure: {},
  gcp: {},
  oci: {},
  coreweave: {},
  kubernetes: {},
  slurm: {},
  local: {},
}
