import type { Actions } from '#cloud/generated/actions.ts'
import type { NotModelled, Reducer } from '../reducer.ts'
import { createInstance, createInstanceToken, describeInstanceStatus, describeInstances } from './instances.ts'
import {
  createImageLifecyclePersonal,
  deleteImageLifecycleGlobalPersonal,
  deleteImageLifecyclePersonal,
  describeImageLifecycleGlobalPersonal,
  describeImageLifecyclePersonal,
  manageImageLifecycleGlobalPersonal,
} from './lifecycle.ts'
import {
  createNamespacePersonal,
  deleteNamespacePersonal,
  describeNamespacePersonal,
  validateNamespaceExistPersonal,
} from './namespaces.ts'
import {
  batchDeleteRepositoryPersonal,
  createRepositoryPersonal,
  deleteRepositoryPersonal,
  describeFavorRepositoryPersonal,
  describeRepositoryFilterPersonal,
  describeRepositoryOwnerPersonal,
  describeRepositoryPersonal,
  modifyRepositoryAccessPersonal,
  modifyRepositoryInfoPersonal,
  validateRepositoryExistPersonal,
} from './repositories.ts'
import {
  batchDeleteImagePersonal,
  deleteImagePersonal,
  describeImageFilterPersonal,
  describeImagePersonal,
  duplicateImagePersonal,
} from './tags.ts'
import {
  createApplicationTriggerPersonal,
  deleteApplicationTriggerPersonal,
  describeApplicationTriggerLogPersonal,
  describeApplicationTriggerPersonal,
  modifyApplicationTriggerPersonal,
} from './triggers.ts'
import { createUserPersonal, describeUserQuotaPersonal, modifyUserPasswordPersonal } from './users.ts'

/** The registry's actions, all of them modelled. An action that is missing here fails the type check. */
export const tcrTable = {
  BatchDeleteImagePersonal: batchDeleteImagePersonal,
  BatchDeleteRepositoryPersonal: batchDeleteRepositoryPersonal,
  CreateApplicationTriggerPersonal: createApplicationTriggerPersonal,
  CreateImageLifecyclePersonal: createImageLifecyclePersonal,
  CreateInstance: createInstance,
  CreateInstanceToken: createInstanceToken,
  CreateNamespacePersonal: createNamespacePersonal,
  CreateRepositoryPersonal: createRepositoryPersonal,
  CreateUserPersonal: createUserPersonal,
  DeleteApplicationTriggerPersonal: deleteApplicationTriggerPersonal,
  DeleteImageLifecycleGlobalPersonal: deleteImageLifecycleGlobalPersonal,
  DeleteImageLifecyclePersonal: deleteImageLifecyclePersonal,
  DeleteImagePersonal: deleteImagePersonal,
  DeleteNamespacePersonal: deleteNamespacePersonal,
  DeleteRepositoryPersonal: deleteRepositoryPersonal,
  DescribeApplicationTriggerLogPersonal: describeApplicationTriggerLogPersonal,
  DescribeApplicationTriggerPersonal: describeApplicationTriggerPersonal,
  DescribeFavorRepositoryPersonal: describeFavorRepositoryPersonal,
  DescribeImageFilterPersonal: describeImageFilterPersonal,
  DescribeImageLifecycleGlobalPersonal: describeImageLifecycleGlobalPersonal,
  DescribeImageLifecyclePersonal: describeImageLifecyclePersonal,
  DescribeImagePersonal: describeImagePersonal,
  DescribeInstanceStatus: describeInstanceStatus,
  DescribeInstances: describeInstances,
  DescribeNamespacePersonal: describeNamespacePersonal,
  DescribeRepositoryFilterPersonal: describeRepositoryFilterPersonal,
  DescribeRepositoryOwnerPersonal: describeRepositoryOwnerPersonal,
  DescribeRepositoryPersonal: describeRepositoryPersonal,
  DescribeUserQuotaPersonal: describeUserQuotaPersonal,
  DuplicateImagePersonal: duplicateImagePersonal,
  ManageImageLifecycleGlobalPersonal: manageImageLifecycleGlobalPersonal,
  ModifyApplicationTriggerPersonal: modifyApplicationTriggerPersonal,
  ModifyRepositoryAccessPersonal: modifyRepositoryAccessPersonal,
  ModifyRepositoryInfoPersonal: modifyRepositoryInfoPersonal,
  ModifyUserPasswordPersonal: modifyUserPasswordPersonal,
  ValidateNamespaceExistPersonal: validateNamespaceExistPersonal,
  ValidateRepositoryExistPersonal: validateRepositoryExistPersonal,
} satisfies { [Name in keyof Actions['tcr']]: Reducer<Actions['tcr'][Name]> | NotModelled }
