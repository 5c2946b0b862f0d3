// Which columns of a table (or fields of cards) are shown, in which order: kept in this browser.
import { load, save } from "../../lib/storage";
import { type ColumnChoice, type Stored, arranged, byDefault, moved } from "./columns";

export class Layout<C extends ColumnChoice> {
  #stored = $state.raw<Stored>({ order: [], hidden: [] });
  readonly #name: string;
  readonly #columns: readonly C[];

  /** `name`: of the entry in the browser's storage. */
  constructor(name: string, columns: readonly C[]) {
    this.#name = name;
    this.#columns = columns;
    const stored = load<Partial<Stored> | null>(name, null);
    const isValid = Array.isArray(stored?.order) && Array.isArray(stored.hidden);
    this.#stored = isValid ? (stored as Stored) : byDefault(columns);
  }

  get all(): C[] {
    return arranged(this.#columns, this.#stored.order);
  }

  get shown(): C[] {
    return this.all.filter((column) => this.isShown(column.id));
  }

  isShown(id: string): boolean {
    return !this.#stored.hidden.includes(id);
  }

  /** The last column that is left stays. */
  toggle(id: string): void {
    const { order, hidden } = this.#stored;
    if (this.isShown(id) && this.shown.length === 1) return;
    this.#keep({ order, hidden: hidden.includes(id) ? hidden.filter((other) => other !== id) : [...hidden, id] });
  }

  moveTo(id: string, place: number): void {
    this.#keep({ ...this.#stored, order: moved(this.all.map((column) => column.id), id, place) });
  }

  reset(): void {
    this.#keep(byDefault(this.#columns));
  }

  #keep(stored: Stored): void {
    this.#stored = stored;
    save(this.#name, stored);
  }
}
