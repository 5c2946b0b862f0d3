// Made by `make types` from the structs of the server. Change those, not this file.

export interface Change {
  id: number;
  at: number;
  model: string;
  run: number;
  state: string;
  cause: string;
  reason?: string;
  for_model?: string;
  for_request?: string;
  seconds?: number | null;
}

export interface TransitionPage {
  transitions: Change[];
  next: number | null;
}

export interface ModelStatus {
  id: string;
  name: string;
  description: string;
  state: string;
  unlisted: boolean;
  peerID: string;
  aliases?: string[];
  capabilities?: Record<string, boolean>;
  context_length?: number;
}

export interface ModelRun {
  id: number;
  pid: number | null;
  address: string | null;
  uptime: number;
  idle: number | null;
  ttl_left: number | null;
  memory_bytes: number | null;
}

export interface ModelLoads {
  count: number;
  failed: number;
  median: number | null;
  p95: number | null;
}

export interface ModelDetails {
  id: string;
  name: string;
  description: string;
  state: string;
  cmd: string;
  proxy: string;
  aliases: string[];
  ttl: number;
  run: ModelRun | null;
  running: number;
  limit: number;
  queued: number;
  loads: ModelLoads;
  last_error: Change | null;
  transitions: Change[];
}

export interface ModelDetailsList {
  models: ModelDetails[];
}

export interface Plan {
  model: string;
  state: string;
  action: string;
  stops: string[];
  busy: string[];
  estimate_seconds: number | null;
}

export interface LoadRecord {
  model: string;
  state: string;
  run: number | null;
  pid: number | null;
  position: number | null;
}

export interface ProfileRecord {
  id: string;
  description: string;
  pins: Record<string, string>;
}

export interface ProfileList {
  active: string | null;
  profiles: ProfileRecord[];
}

export interface Running {
  model: string;
  state: string;
  cmd: string;
  proxy: string;
  ttl: number;
  name: string;
  description: string;
}
