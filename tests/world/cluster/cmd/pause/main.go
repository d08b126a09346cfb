// The one program inside the images that tests make: it does nothing until it is told to end.
//
// It serves as a pod's sandbox and as an application, so that nothing has to be fetched from the internet.
package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGINT, syscall.SIGTERM)
	<-stop
}
