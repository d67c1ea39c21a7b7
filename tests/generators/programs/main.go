// Reads lines of JSON with the types that quicktype made, and writes them back.
package main

import (
	"bufio"
	"fmt"
	"os"
)

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		read, err := UnmarshalModels(lines.Bytes())
		if err != nil {
			fmt.Fprintln(os.Stderr, lines.Text(), err)
			os.Exit(1)
		}
		written, err := read.Marshal()
		if err != nil {
			fmt.Fprintln(os.Stderr, lines.Text(), err)
			os.Exit(1)
		}
		fmt.Println(string(written))
	}
}
