package main

// hub knows who is in the room. Its maps and the closing of the clients'
// channels belong to run.
type hub struct {
	present     map[*client]bool
	join, leave chan *client
	say         chan []byte
}

func newHub() *hub {
	return &hub{
		present: make(map[*client]bool),
		join:    make(chan *client),
		leave:   make(chan *client),
		say:     make(chan []byte),
	}
}

func (h *hub) run() {
	for {
		select {
		case c := <-h.join:
			h.present[c] = true
		case c := <-h.leave:
			h.remove(c)
		case text := <-h.say:
			for c := range h.present {
				select {
				case c.queue <- text:
				default: // it doesn't keep up
					h.remove(c)
				}
			}
		}
	}
}

func (h *hub) remove(c *client) {
	if h.present[c] {
		delete(h.present, c)
		close(c.queue)
	}
}
