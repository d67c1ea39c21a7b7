// A small REST SDK on the generated types: one method for each call, typed errors, and waits that the service asks for.

import { isErrorBody, isUsageErrorBody } from "odyssey-models";
import type { RestCalls, SimulationRequest, UsageErrorBody } from "odyssey-models";

type Query<Name extends keyof RestCalls> = RestCalls[Name]["queryParameters"];

/** A refusal of the service, with the usage error in it if a limit of the account was reached. */
export class OdysseyError extends Error {
  constructor(
    readonly status: number,
    readonly body: unknown,
  ) {
    super(`${status}: ${textOf(body)}`);
  }

  get usage(): UsageErrorBody | undefined {
    if (isUsageErrorBody(this.body)) return this.body;
    return isErrorBody(this.body) && isUsageErrorBody(this.body.detail) ? this.body.detail : undefined;
  }
}

export class Odyssey {
  #token: Promise<string> | undefined;
  #renewedAt = 0; // in ms of `Date.now()`

  constructor(
    private readonly apiKey: string,
    private readonly apiUrl = "https://api.odyssey.ml",
    private readonly attempts = 3,
  ) {}

  readonly simulate = (request: SimulationRequest) =>
    this.#call<"createSimulation">("POST", "/simulation-jobs", { output_video: true, ...request });
  readonly getSimulation = (id: string) => this.#call<"getSimulation">("GET", `/simulation-jobs/${escape(id)}`);
  readonly cancelSimulation = (id: string) => this.#call<"cancelSimulation">("DELETE", `/simulation-jobs/${escape(id)}`);
  readonly getRecording = (id: string) => this.#call<"getRecording">("GET", `/recordings/${escape(id)}`);
  readonly listSimulations = (query: Query<"listSimulations"> = {}) =>
    this.#call<"listSimulations">("GET", `/simulation-jobs?${parameters(query)}`);
  readonly listRecordings = (query: Query<"listStreamRecordings"> = {}) =>
    this.#call<"listStreamRecordings">("GET", `/stream-recordings?${parameters(query)}`);

  async #call<Name extends keyof RestCalls>(
    method: RestCalls[Name]["method"],
    path: string,
    body?: RestCalls[Name]["body"],
  ): Promise<RestCalls[Name]["answer"]> {
    for (let attempt = 1; ; attempt += 1) {
      if (Date.now() >= this.#renewedAt) this.#token = undefined;
      this.#token ??= this.#createToken();
      const answer = await this.#send(method, path, body, await this.#token);
      if (answer.ok) return (await answer.json()) as RestCalls[Name]["answer"];
      const wait = waitOf(answer);
      const again = answer.status === 401 || (wait !== undefined && method !== "POST");
      if (!again || attempt === this.attempts) throw new OdysseyError(answer.status, await bodyOf(answer));
      if (answer.status === 401) this.#token = undefined; // it was revoked, or has expired
      else await new Promise((resume) => setTimeout(resume, wait));
    }
  }

  async #createToken(): Promise<string> {
    const request: RestCalls["createToken"]["body"] = { api_key: this.apiKey };
    this.#renewedAt = Infinity; // other calls wait for this token
    try {
      const answer = await this.#send("POST", "/auth/token", request);
      if (!answer.ok) throw new OdysseyError(answer.status, await bodyOf(answer));
      const granted = (await answer.json()) as RestCalls["createToken"]["answer"];
      this.#renewedAt = Date.now() + (Number(granted.expires_in ?? 3600) - 60) * 1000;
      return granted.access_token;
    } catch (error) {
      this.#renewedAt = 0; // the next call asks again
      throw error;
    }
  }

  #send(method: string, path: string, body: unknown, token?: string): Promise<Response> {
    const headers = { "Content-Type": "application/json", ...(token && { Authorization: `Bearer ${token}` }) };
    return fetch(this.apiUrl + path, { method, headers, ...(body !== undefined && { body: JSON.stringify(body) }) });
  }
}

const escape = encodeURIComponent;

const parameters = (query: object) =>
  new URLSearchParams(Object.entries(query).map(([name, value]): [string, string] => [name, String(value)]));

/** Return how long the service asks to wait, in ms. */
function waitOf({ headers }: Response): number | undefined {
  const text = headers.get("Retry-After");
  if (text === null) return undefined;
  return /^\d+$/.test(text) ? Number(text) * 1000 : Math.max(0, Date.parse(text) - Date.now());
}

const bodyOf = (answer: Response): Promise<unknown> => answer.json().catch(() => undefined);

function textOf(body: unknown): string {
  if (isUsageErrorBody(body)) return body.message;
  const detail = isErrorBody(body) ? body.detail : null;
  return isUsageErrorBody(detail) ? detail.message : typeof detail === "string" ? detail : "no reason given";
}
