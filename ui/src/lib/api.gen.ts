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

export interface GpuMemory {
  id: number;
  name: string;
  memory_bytes: number | null;
}

export interface ModelRun {
  id: number;
  pid: number | null;
  address: string | null;
  uptime: number;
  idle: number | null;
  ttl_left: number | null;
  memory_bytes: number | null;
  gpu_memory: GpuMemory[] | null;
}

export interface ModelLoads {
  count: number;
  failed: number;
  median: number | null;
  p95: number | null;
}

export interface Models {
  count: number;
  first: string[];
}

export interface ModelGroup {
  name: string;
  swap: boolean;
  exclusive: boolean;
  persistent: boolean;
  members: Models;
}

export interface ModelSet {
  name: string;
  expression: string;
}

export interface ModelRouting {
  router: string;
  group: ModelGroup | null;
  sets: ModelSet[];
  stops: Models | null;
  stopped_by: Models | null;
  beside: Models | null;
}

export interface MemorySample {
  at: number;
  memory_bytes: number;
  gpu_bytes: number | null;
}

export interface ModelMemory {
  run: number;
  peak_bytes: number;
  gpu_peaks: GpuMemory[];
  samples: MemorySample[];
}

export interface ModelParameter {
  name: string;
  value: string;
}

export interface CatalogEntry {
  id: string;
  group?: string;
  family?: string;
  tags?: string[];
  requests?: number;
  last_used?: number | null;
  peak_bytes?: number | null;
}

export interface Catalog {
  models: CatalogEntry[];
}

export interface FoundFolder {
  path: string;
  problem?: string;
}

export interface FoundFile {
  name: string;
  path: string;
  folder: string;
  size: number;
  kind?: "model" | "projector";
  parts?: number;
  problem?: string;
  used_by?: string;
  yaml?: string;
}

export interface Found {
  enabled: boolean;
  message: string;
  folders: FoundFolder[];
  files: FoundFile[];
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
  memory: ModelMemory | null;
  routing: ModelRouting | null;
  parameters: ModelParameter[];
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
  queued: number;
  estimate_seconds: number | null;
}

export interface LoadRecord {
  model: string;
  state: string;
  run: number | null;
  pid: number | null;
  position: number | null;
  stops: string[];
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

export interface NetIo {
  name: string;
  bytes_recv: number;
  bytes_sent: number;
}

export interface SystemStats {
  timestamp: string;
  cpu_util_per_core: number[];
  mem_total_mb: number;
  mem_used_mb: number;
  mem_free_mb: number;
  swap_total_mb: number;
  swap_used_mb: number;
  load_avg_1: number;
  load_avg_5: number;
  load_avg_15: number;
  net_io: NetIo[] | null;
  unknown?: string[];
}

export interface GpuStats {
  timestamp: string;
  id: number;
  name: string;
  uuid: string;
  temp_c: number;
  vram_temp_c: number;
  gpu_util_pct: number;
  mem_util_pct: number;
  mem_used_mb: number;
  mem_total_mb: number;
  fan_speed_pct: number;
  power_draw_w: number;
  source: string;
  unknown?: string[];
}

export interface Hardware {
  schema_version: number;
  captured_at: string;
  capture: HardwareCapture;
  architecture: HardwareArchitecture;
  operating_system: HardwareSystem;
  environment: HardwareEnvironment;
  cpu: HardwareCpu;
  memory: HardwareMemory;
  accelerators: Accelerator[];
}

export interface HardwareCapture {
  scope: string;
  method: string;
  detector: HardwareDetector;
}

export interface HardwareDetector {
  name: string;
  version: string;
}

export interface HardwareArchitecture {
  name: string;
  raw_name: string | null;
}

export interface HardwareSystem {
  family: string;
  name: string | null;
  version: string | null;
  kernel: string | null;
  raw_family?: string;
}

export interface HardwareEnvironment {
  kind: string;
  name: string | null;
  version: string | null;
  raw_kind?: string;
}

export interface HardwareCpu {
  vendor: string | null;
  model: string | null;
  socket_count: number | null;
  physical_core_count: number | null;
  logical_thread_count: number | null;
}

export interface HardwareMemory {
  capacity_bytes: number;
  usable_bytes?: number;
}

export interface Accelerator {
  index: number;
  kind: string;
  vendor: string | null;
  model: string | null;
  architecture: string | null;
  memory: AcceleratorMemory;
  driver: AcceleratorDriver | null;
  power_limit_watts: number | null;
  raw_kind?: string;
}

export interface AcceleratorMemory {
  kind: string;
  capacity_bytes: number | null;
}

export interface AcceleratorDriver {
  name: string | null;
  version: string | null;
}

export interface Capture {
  id: number;
  req_path: string;
  req_headers: Record<string, string> | null;
  req_body: string | null;
  resp_headers: Record<string, string> | null;
  resp_body: string | null;
}

export interface ActivityTokens {
  cache_tokens: number;
  draft_tokens: number;
  draft_acc_tokens: number;
  input_tokens: number;
  output_tokens: number;
  prompt_per_second: number;
  tokens_per_second: number;
}

export interface ActivityTiming {
  outcome: string;
  ended_ms: number;
  queue_ms: number;
  load_ms: number;
  first_token_ms: number;
  prefill_ms: number;
  decode_ms: number;
  prompt_tokens: number;
  client: string;
  session: string;
  request: number;
}

export interface ActivityRow {
  id: number;
  timestamp: string;
  model: string;
  req_path: string;
  resp_content_type: string;
  resp_status_code: number;
  tokens: ActivityTokens;
  duration_ms: number;
  has_capture: boolean;
  error_msg?: string;
  metadata?: Record<string, string>;
  timing?: ActivityTiming;
}

export interface ActivitySearch {
  searched: number;
  kept: number;
}

export interface ActivityPage {
  data: ActivityRow[];
  page: number;
  limit: number;
  total: number;
  total_pages: number;
  search?: ActivitySearch | null;
}

export interface Histogram {
  bins: number[];
  min: number;
  max: number;
  binSize: number;
  p50: number;
  p95: number;
  p99: number;
}

export interface Statistics {
  total_requests: number;
  total_input_tokens: number;
  total_output_tokens: number;
  total_cache_tokens: number;
  prompt_histogram: Histogram | null;
  gen_histogram: Histogram | null;
}
