// The formulas' renderer with its styles, in a piece that is loaded when a formula occurs.
import "katex/dist/katex.min.css";

export { default } from "katex";
