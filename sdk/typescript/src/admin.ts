/**
 * Running projects and the server: `client.admin`.
 */
import type { CallOptions, Caller } from "./caller.js";
import { AdminService } from "./gen/mnemon/v1/admin_service_pb.js";
import type { Pages } from "./pages.js";
import type {
  ApiKey,
  AuditEntry,
  CancelOperationResponse,
  CreateApiKeyRequest,
  CreateApiKeyResponse,
  CreateProjectRequest,
  CreateProjectResponse,
  CreateWebhookRequest,
  CreateWebhookResponse,
  DeleteEntityRequest,
  DeleteEntityResponse,
  DeleteProjectResponse,
  EntityKind,
  EntitySummary,
  EraseSubjectRequest,
  EraseSubjectResponse,
  GenerateInstructionsResponse,
  GetEntityRequest,
  GetEntityResponse,
  GetOperationResponse,
  GetProjectResponse,
  GetServerInfoResponse,
  GetSettingsResponse,
  GetUsageRequest,
  GetUsageResponse,
  GetWebhookResponse,
  KeyRole,
  ListApiKeysRequest,
  ListApiKeysResponse,
  ListAuditRequest,
  ListAuditResponse,
  ListEntitiesRequest,
  ListEntitiesResponse,
  ListOperationsRequest,
  ListOperationsResponse,
  ListProjectsRequest,
  ListProjectsResponse,
  ListRequestsRequest,
  ListRequestsResponse,
  ListWebhookDeliveriesRequest,
  ListWebhookDeliveriesResponse,
  ListWebhooksRequest,
  ListWebhooksResponse,
  Operation,
  Project,
  ProjectInput,
  ProjectSettings,
  ProjectSettingsInput,
  RebuildIndexResponse,
  RequestLogEntry,
  RevokeApiKeyResponse,
  RotateApiKeyRequest,
  RotateApiKeyResponse,
  ScopeInput,
  SelfTestIsolationResponse,
  TestWebhookResponse,
  UpdateProjectResponse,
  UpdateSettingsResponse,
  UpdateWebhookResponse,
  VerifyAuditResponse,
  VerifyIndexRequest,
  VerifyIndexResponse,
  WaitOperationRequest,
  WaitOperationResponse,
  Webhook,
  WebhookDelivery,
  WebhookInput,
} from "./plain/types.js";
import type { EnumInput } from "./plain/values.js";
import { DeadlineExceededError } from "./errors.js";
import { invoke, paged, present, withoutCallOptions } from "./request.js";

const METHODS = AdminService.method;

/** Seconds that the server waits for an operation when the caller does not say. */
const DEFAULT_WAIT_SECONDS = 30;

/** Milliseconds that the answer of a wait may take on its way. */
const WAIT_MARGIN_MS = 10_000;

/** Which fields an update sets; every field that the new values give if left out. */
export interface UpdateMask {
  /** Names of fields, as `["displayName"]`. A named field that the values leave out is cleared. */
  readonly updateMask?: readonly string[] | undefined;
}

/** The part of the client that runs projects and the server. */
export class AdminClient {
  /** Tenants; most calls need role root. */
  readonly projects: ProjectsClient;
  /** API keys. */
  readonly keys: KeysClient;
  /** How the project's memories are made and kept. */
  readonly settings: SettingsClient;
  /** Users, agents, apps, runs and named things. */
  readonly entities: EntitiesClient;
  /** Work in the background. */
  readonly operations: OperationsClient;
  /** Addresses that changes are sent to. */
  readonly webhooks: WebhooksClient;
  /** What was used. */
  readonly usage: UsageClient;
  /** The log of calls. */
  readonly requests: RequestsClient;
  /** The log of changes to keys, settings, projects and webhooks. */
  readonly audit: AuditClient;
  /** What runs. */
  readonly server: ServerClient;
  /** The search index. */
  readonly index: IndexClient;
  /** People's right to be forgotten. */
  readonly subjects: SubjectsClient;

  /** Made by the client. */
  constructor(caller: Caller) {
    this.projects = new ProjectsClient(caller);
    this.keys = new KeysClient(caller);
    this.settings = new SettingsClient(caller);
    this.entities = new EntitiesClient(caller);
    this.operations = new OperationsClient(caller);
    this.webhooks = new WebhooksClient(caller);
    this.usage = new UsageClient(caller);
    this.requests = new RequestsClient(caller);
    this.audit = new AuditClient(caller);
    this.server = new ServerClient(caller);
    this.index = new IndexClient(caller);
    this.subjects = new SubjectsClient(caller);
  }
}

/** Tenants. */
export class ProjectsClient {
  readonly #caller: Caller;

  /** Made by the client. */
  constructor(caller: Caller) {
    this.#caller = caller;
  }

  /** Makes a project (root). Its id is 1 to 63 lower-case letters, digits and hyphens. */
  async create(
    projectId: string,
    options: Omit<CreateProjectRequest, "projectId"> & CallOptions = {},
  ): Promise<Project> {
    const fields = { ...withoutCallOptions(options), projectId };
    const answer = await invoke<CreateProjectResponse>(this.#caller, METHODS.createProject, fields, options);
    return present(answer.project, "project");
  }

  /** Reads a project: any (root), or the key's own if no id is given. */
  async get(projectId = "", options: CallOptions = {}): Promise<Project> {
    const answer = await invoke<GetProjectResponse>(this.#caller, METHODS.getProject, { projectId }, options);
    return present(answer.project, "project");
  }

  /** Lists projects by id (root). */
  list(options: ListProjectsRequest & CallOptions = {}): Pages<Project, ListProjectsResponse> {
    const fields = withoutCallOptions(options);
    return paged(this.#caller, METHODS.listProjects, fields, options, (page) => page.projects);
  }

  /** Changes a project's name or state (root). */
  async update(
    projectId: string,
    changes: Pick<ProjectInput, "displayName" | "state" | "etag">,
    options: UpdateMask & CallOptions = {},
  ): Promise<Project> {
    const fields = { ...withoutCallOptions(options), project: { ...changes, id: projectId } };
    const answer = await invoke<UpdateProjectResponse>(this.#caller, METHODS.updateProject, fields, options);
    return present(answer.project, "project");
  }

  /** Erases a project with everything in it (root). `confirmProjectId` must be the id once more. */
  async delete(
    projectId: string,
    options: { readonly confirmProjectId: string } & CallOptions,
  ): Promise<Operation> {
    const fields = { ...withoutCallOptions(options), projectId };
    const answer = await invoke<DeleteProjectResponse>(this.#caller, METHODS.deleteProject, fields, options);
    return present(answer.operation, "operation");
  }
}

/** API keys. */
export class KeysClient {
  readonly #caller: Caller;

  /** Made by the client. */
  constructor(caller: Caller) {
    this.#caller = caller;
  }

  /** Makes a key; `secret` is shown this once. */
  create(
    options: Omit<CreateApiKeyRequest, "role"> & { readonly role: EnumInput<KeyRole> } & CallOptions,
  ): Promise<CreateApiKeyResponse> {
    return invoke(this.#caller, METHODS.createApiKey, withoutCallOptions(options), options);
  }

  /** Lists keys, newest first, without secrets. */
  list(options: ListApiKeysRequest & CallOptions = {}): Pages<ApiKey, ListApiKeysResponse> {
    const fields = withoutCallOptions(options);
    return paged(this.#caller, METHODS.listApiKeys, fields, options, (page) => page.apiKeys);
  }

  /** Ends a key; every replica refuses it within a second. */
  async revoke(keyId: string, options: CallOptions = {}): Promise<ApiKey> {
    const answer = await invoke<RevokeApiKeyResponse>(this.#caller, METHODS.revokeApiKey, { keyId }, options);
    return present(answer.apiKey, "API key");
  }

  /** Makes a key like another and ends the other after `overlap` seconds (24 hours if left out). */
  rotate(
    keyId: string,
    options: Omit<RotateApiKeyRequest, "keyId"> & CallOptions = {},
  ): Promise<RotateApiKeyResponse> {
    const fields = { ...withoutCallOptions(options), keyId };
    return invoke(this.#caller, METHODS.rotateApiKey, fields, options);
  }
}

/** How the project's memories are made and kept. */
export class SettingsClient {
  readonly #caller: Caller;

  /** Made by the client. */
  constructor(caller: Caller) {
    this.#caller = caller;
  }

  /** Reads the settings. */
  async get(options: CallOptions = {}): Promise<ProjectSettings> {
    const answer = await invoke<GetSettingsResponse>(this.#caller, METHODS.getSettings, {}, options);
    return present(answer.settings, "settings");
  }

  /** Changes the settings that are given; effective at once on every replica. */
  async update(
    changes: ProjectSettingsInput,
    options: UpdateMask & CallOptions = {},
  ): Promise<ProjectSettings> {
    const fields = { ...withoutCallOptions(options), settings: changes };
    const answer = await invoke<UpdateSettingsResponse>(
      this.#caller,
      METHODS.updateSettings,
      fields,
      options,
    );
    return present(answer.settings, "settings");
  }

  /** Writes instructions and a test conversation from a use case in words. Stores nothing. */
  generateInstructions(useCase: string, options: CallOptions = {}): Promise<GenerateInstructionsResponse> {
    return invoke(this.#caller, METHODS.generateInstructions, { useCase }, options);
  }
}

/** Users, agents, apps, runs and named things. */
export class EntitiesClient {
  readonly #caller: Caller;

  /** Made by the client. */
  constructor(caller: Caller) {
    this.#caller = caller;
  }

  /** Lists users, agents, apps and runs with memories, or, with kind `NAMED`, the names that memories speak of. */
  list(options: ListEntitiesRequest & CallOptions = {}): Pages<EntitySummary, ListEntitiesResponse> {
    const fields = withoutCallOptions(options);
    return paged(this.#caller, METHODS.listEntities, fields, options, (page) => page.entities);
  }

  /** Reads one of them, with up to `memoryLimit` of its newest memories. */
  get(
    kind: EnumInput<EntityKind>,
    id: string,
    options: Omit<GetEntityRequest, "kind" | "id"> & CallOptions = {},
  ): Promise<GetEntityResponse> {
    const fields = { ...withoutCallOptions(options), kind, id };
    return invoke(this.#caller, METHODS.getEntity, fields, options);
  }

  /** Deletes a user, agent, app or run with all its memories, in the background. */
  async delete(
    kind: EnumInput<EntityKind>,
    id: string,
    options: Omit<DeleteEntityRequest, "kind" | "id"> & CallOptions = {},
  ): Promise<Operation> {
    const fields = { ...withoutCallOptions(options), kind, id };
    const answer = await invoke<DeleteEntityResponse>(this.#caller, METHODS.deleteEntity, fields, options);
    return present(answer.operation, "operation");
  }
}

/** Work in the background. */
export class OperationsClient {
  readonly #caller: Caller;

  /** Made by the client. */
  constructor(caller: Caller) {
    this.#caller = caller;
  }

  /** Lists operations, newest first. */
  list(options: ListOperationsRequest & CallOptions = {}): Pages<Operation, ListOperationsResponse> {
    const fields = withoutCallOptions(options);
    return paged(this.#caller, METHODS.listOperations, fields, options, (page) => page.operations);
  }

  /** Reads one operation. */
  async get(id: string, options: CallOptions = {}): Promise<Operation> {
    const answer = await invoke<GetOperationResponse>(this.#caller, METHODS.getOperation, { id }, options);
    return present(answer.operation, "operation");
  }

  /** Asks an operation to stop. */
  async cancel(id: string, options: CallOptions = {}): Promise<Operation> {
    const answer = await invoke<CancelOperationResponse>(
      this.#caller,
      METHODS.cancelOperation,
      { id },
      options,
    );
    return present(answer.operation, "operation");
  }

  /** Answers when the operation has ended, or after `timeout` seconds (30 if left out) as it is then. */
  async wait(id: string, options: Omit<WaitOperationRequest, "id"> & CallOptions = {}): Promise<Operation> {
    const fields = { ...withoutCallOptions(options), id };
    const timeoutMs = (options.timeout ?? DEFAULT_WAIT_SECONDS) * 1000 + WAIT_MARGIN_MS;
    const answer = await invoke<WaitOperationResponse>(this.#caller, METHODS.waitOperation, fields, {
      ...options,
      timeoutMs: options.timeoutMs ?? timeoutMs,
    });
    return present(answer.operation, "operation");
  }

  /**
   * Waits until the operation has ended, however it ended: look at `state`. `timeoutMs` bounds the
   * whole wait; without it there is no bound.
   *
   * @throws DeadlineExceededError if it has not ended by then. The operation goes on.
   */
  async waitUntilDone(id: string, options: CallOptions = {}): Promise<Operation> {
    const deadline = performance.now() + (options.timeoutMs ?? Number.POSITIVE_INFINITY);
    for (;;) {
      const left = deadline - performance.now();
      if (left <= 0) throw new DeadlineExceededError("the operation has not ended yet");
      const timeout = Math.min(left / 1000, DEFAULT_WAIT_SECONDS);
      const operation = await this.wait(id, { ...options, timeout, timeoutMs: undefined });
      if (["SUCCEEDED", "FAILED", "CANCELLED"].includes(operation.state)) return operation;
    }
  }
}

/** Addresses that changes are sent to. */
export class WebhooksClient {
  readonly #caller: Caller;

  /** Made by the client. */
  constructor(caller: Caller) {
    this.#caller = caller;
  }

  /** Makes a webhook; `secret`, which signs the deliveries, is shown this once. */
  create(
    webhook: WebhookInput & { readonly url: string },
    options: Omit<CreateWebhookRequest, "webhook"> & CallOptions = {},
  ): Promise<CreateWebhookResponse> {
    const fields = { ...withoutCallOptions(options), webhook };
    return invoke(this.#caller, METHODS.createWebhook, fields, options);
  }

  /** Reads a webhook. */
  async get(id: string, options: CallOptions = {}): Promise<Webhook> {
    const answer = await invoke<GetWebhookResponse>(this.#caller, METHODS.getWebhook, { id }, options);
    return present(answer.webhook, "webhook");
  }

  /** Lists webhooks, newest first. */
  list(options: ListWebhooksRequest & CallOptions = {}): Pages<Webhook, ListWebhooksResponse> {
    const fields = withoutCallOptions(options);
    return paged(this.#caller, METHODS.listWebhooks, fields, options, (page) => page.webhooks);
  }

  /** Changes a webhook's fields that are given. */
  async update(id: string, changes: WebhookInput, options: UpdateMask & CallOptions = {}): Promise<Webhook> {
    const fields = { ...withoutCallOptions(options), webhook: { ...changes, id } };
    const answer = await invoke<UpdateWebhookResponse>(this.#caller, METHODS.updateWebhook, fields, options);
    return present(answer.webhook, "webhook");
  }

  /** Deletes a webhook and its deliveries. */
  async delete(id: string, options: CallOptions = {}): Promise<void> {
    await invoke(this.#caller, METHODS.deleteWebhook, { id }, options);
  }

  /** Sends a test event at once and answers what came back. */
  async test(id: string, options: CallOptions = {}): Promise<WebhookDelivery> {
    const answer = await invoke<TestWebhookResponse>(this.#caller, METHODS.testWebhook, { id }, options);
    return present(answer.delivery, "delivery");
  }

  /** Lists deliveries, newest first; with state `FAILED`, the dead letters. */
  listDeliveries(
    webhookId: string,
    options: Omit<ListWebhookDeliveriesRequest, "webhookId"> & CallOptions = {},
  ): Pages<WebhookDelivery, ListWebhookDeliveriesResponse> {
    const fields = { ...withoutCallOptions(options), webhookId };
    return paged(this.#caller, METHODS.listWebhookDeliveries, fields, options, (page) => page.deliveries);
  }
}

/** What was used. */
export class UsageClient {
  readonly #caller: Caller;

  /** Made by the client. */
  constructor(caller: Caller) {
    this.#caller = caller;
  }

  /** Usage by day and, if asked for, scope and model. */
  get(options: GetUsageRequest & CallOptions = {}): Promise<GetUsageResponse> {
    return invoke(this.#caller, METHODS.getUsage, withoutCallOptions(options), options);
  }
}

/** The log of calls. */
export class RequestsClient {
  readonly #caller: Caller;

  /** Made by the client. */
  constructor(caller: Caller) {
    this.#caller = caller;
  }

  /** Lists calls, newest first, without content. */
  list(options: ListRequestsRequest & CallOptions = {}): Pages<RequestLogEntry, ListRequestsResponse> {
    const fields = withoutCallOptions(options);
    return paged(this.#caller, METHODS.listRequests, fields, options, (page) => page.requests);
  }
}

/** The log of changes to keys, settings, projects and webhooks. */
export class AuditClient {
  readonly #caller: Caller;

  /** Made by the client. */
  constructor(caller: Caller) {
    this.#caller = caller;
  }

  /** Lists the audit log, newest first. */
  list(options: ListAuditRequest & CallOptions = {}): Pages<AuditEntry, ListAuditResponse> {
    const fields = withoutCallOptions(options);
    return paged(this.#caller, METHODS.listAudit, fields, options, (page) => page.entries);
  }

  /** Checks the log's hash chain (root). */
  verify(options: CallOptions = {}): Promise<VerifyAuditResponse> {
    return invoke(this.#caller, METHODS.verifyAudit, {}, options);
  }
}

/** What runs. */
export class ServerClient {
  readonly #caller: Caller;

  /** Made by the client. */
  constructor(caller: Caller) {
    this.#caller = caller;
  }

  /** Version, database, index, models and warnings. */
  info(options: CallOptions = {}): Promise<GetServerInfoResponse> {
    return invoke(this.#caller, METHODS.getServerInfo, {}, options);
  }

  /** Tries, on this running server, to reach one project's data with another's key (root). */
  selfTestIsolation(options: CallOptions = {}): Promise<SelfTestIsolationResponse> {
    return invoke(this.#caller, METHODS.selfTestIsolation, {}, options);
  }
}

/** The search index. */
export class IndexClient {
  readonly #caller: Caller;

  /** Made by the client. */
  constructor(caller: Caller) {
    this.#caller = caller;
  }

  /** Compares the index with the record and names what differs; with `repair`, mends it. */
  verify(options: VerifyIndexRequest & CallOptions = {}): Promise<VerifyIndexResponse> {
    return invoke(this.#caller, METHODS.verifyIndex, withoutCallOptions(options), options);
  }

  /** Makes the index anew beside the old one and swaps, in the background (root). */
  async rebuild(options: CallOptions = {}): Promise<Operation> {
    const answer = await invoke<RebuildIndexResponse>(this.#caller, METHODS.rebuildIndex, {}, options);
    return present(answer.operation, "operation");
  }
}

/** People's right to be forgotten. */
export class SubjectsClient {
  readonly #caller: Caller;

  /** Made by the client. */
  constructor(caller: Caller) {
    this.#caller = caller;
  }

  /**
   * Erases everything stored under all the ids of a subject, past versions and messages included, in
   * the background. The operation's `erasureReceipt` is the proof.
   */
  async erase(
    subject: ScopeInput,
    options: Omit<EraseSubjectRequest, "subject"> & CallOptions = {},
  ): Promise<Operation> {
    const fields = { ...withoutCallOptions(options), subject };
    const answer = await invoke<EraseSubjectResponse>(this.#caller, METHODS.eraseSubject, fields, options);
    return present(answer.operation, "operation");
  }
}
