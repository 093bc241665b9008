"""LoadGen inside the child process: settings, samples, one system under test per scenario."""
