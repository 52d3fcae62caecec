// Frames written by moby/spdystream, the far end in every container runtime, and its reading of frames written by kfw.
//
// In a folder of its own: go mod init x && go get github.com/moby/spdystream@v0.5.1, then
//
//	go run spdystream.go write > spdystream.json
//	go run spdystream.go read < kfw.hex
package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/moby/spdystream/spdy"
)

func fin(yes bool) spdy.ControlFrameHeader {
	if yes {
		return spdy.ControlFrameHeader{Flags: spdy.ControlFlagFin}
	}
	return spdy.ControlFrameHeader{}
}

func header(pairs ...string) http.Header {
	h := http.Header{}
	for i := 0; i < len(pairs); i += 2 {
		h.Add(pairs[i], pairs[i+1])
	}
	return h
}

func write() {
	long := strings.Repeat("a header that is much longer than others ", 200)
	frames := []spdy.Frame{
		&spdy.SynStreamFrame{StreamId: 1, CFHeader: fin(true),
			Headers: header("streamType", "error", "port", "8080", "requestID", "0")},
		&spdy.SynStreamFrame{StreamId: 3, Headers: header("streamType", "data", "port", "8080", "requestID", "0")},
		&spdy.DataFrame{StreamId: 3, Data: []byte("GET / HTTP/1.0\r\n\r\n")},
		&spdy.SynStreamFrame{StreamId: 5, Headers: header("accept", "one", "accept", "two", "status", "200 OK", "x", long)},
		&spdy.SynStreamFrame{StreamId: 7, CFHeader: spdy.ControlFrameHeader{Flags: spdy.ControlFlagUnidirectional},
			Headers: header()},
		&spdy.HeadersFrame{StreamId: 5, Headers: header("late", "yes")},
		&spdy.SettingsFrame{FlagIdValues: []spdy.SettingsFlagIdValue{
			{Id: spdy.SettingsMaxConcurrentStreams, Value: 100}, {Id: spdy.SettingsInitialWindowSize, Value: 65536}}},
		&spdy.PingFrame{Id: 1},
		&spdy.WindowUpdateFrame{StreamId: 3, DeltaWindowSize: 1000},
		&spdy.DataFrame{StreamId: 3, Flags: spdy.DataFlagFin},
		&spdy.RstStreamFrame{StreamId: 5, Status: spdy.Cancel},
		&spdy.GoAwayFrame{LastGoodStreamId: 0, Status: spdy.GoAwayOK},
	}
	var out bytes.Buffer
	framer, err := spdy.NewFramer(&out, nil)
	if err != nil {
		panic(err)
	}
	wire := []string{}
	for _, frame := range frames {
		if err := framer.WriteFrame(frame); err != nil {
			panic(err)
		}
		wire = append(wire, hex.EncodeToString(out.Bytes()))
		out.Reset()
	}
	json.NewEncoder(os.Stdout).Encode(wire)
}

func read() {
	text, _ := io.ReadAll(os.Stdin)
	wire, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil {
		panic(err)
	}
	framer, err := spdy.NewFramer(nil, bytes.NewReader(wire))
	if err != nil {
		panic(err)
	}
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			fmt.Println(err)
			return
		}
		switch f := frame.(type) {
		case *spdy.SynStreamFrame:
			fmt.Println("SYN_STREAM", f.StreamId, "flags", f.CFHeader.Flags, f.Headers)
		case *spdy.SynReplyFrame:
			fmt.Println("SYN_REPLY", f.StreamId, "flags", f.CFHeader.Flags, f.Headers)
		case *spdy.DataFrame:
			fmt.Println("DATA", f.StreamId, "flags", f.Flags, len(f.Data), "bytes")
		case *spdy.RstStreamFrame:
			fmt.Println("RST_STREAM", f.StreamId, f.Status)
		case *spdy.PingFrame:
			fmt.Println("PING", f.Id)
		case *spdy.GoAwayFrame:
			fmt.Println("GOAWAY", f.LastGoodStreamId, f.Status)
		default:
			fmt.Printf("%T\n", f)
		}
	}
}

func main() {
	if os.Args[1] == "write" {
		write()
	} else {
		read()
	}
}
