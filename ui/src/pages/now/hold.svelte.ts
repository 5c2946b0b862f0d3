// Whether somebody is about to press something in a part of the page: the pointer is in it, or the keyboard's focus, or a finger
// was just now. What stands there shall not move then. For {@attach hold.watch}.

const AFTER_TOUCH = 4000; // ms: a finger does not say that it is about to come down

export class Hold {
  #hasPointer = $state(false);
  #hasFocus = $state(false);
  readonly isOn = $derived(this.#hasPointer || this.#hasFocus);

  readonly watch = (box: HTMLElement): (() => void) => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const come = (): void => {
      clearTimeout(timer);
      this.#hasPointer = true;
    };
    const go = (event: PointerEvent): void => {
      clearTimeout(timer);
      if (event.pointerType === "touch") timer = setTimeout(() => (this.#hasPointer = false), AFTER_TOUCH);
      else this.#hasPointer = false;
    };
    const focus = (event: FocusEvent): void => void (this.#hasFocus = (event.target as Element).matches(":focus-visible"));
    // Later: what goes may go while the page is being drawn, and somebody may give the focus to what stands beside it.
    const blur = (): void => void setTimeout(() => box.contains(document.activeElement) || (this.#hasFocus = false));
    // Not every browser tells that what has gone had the focus.
    const changes = new MutationObserver(() => this.#hasFocus && blur());
    box.addEventListener("pointerenter", come);
    box.addEventListener("pointerleave", go);
    box.addEventListener("focusin", focus);
    box.addEventListener("focusout", blur);
    changes.observe(box, { childList: true, subtree: true });
    return () => {
      clearTimeout(timer);
      changes.disconnect();
      box.removeEventListener("pointerenter", come);
      box.removeEventListener("pointerleave", go);
      box.removeEventListener("focusin", focus);
      box.removeEventListener("focusout", blur);
      this.#hasPointer = this.#hasFocus = false;
    };
  };
}
