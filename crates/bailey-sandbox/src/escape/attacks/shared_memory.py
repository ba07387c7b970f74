"""A plugin can make shared memory, semaphores or message queues that outlive it."""
from doors import let_through, verdict

verdict(let_through({
    "shmget": (0, 0, 0), "shmat": (-1, 0, 0), "semget": (0, -1, 0), "semop": (-1, 1, 1), "msgget": (99, 0),
    "mq_open": (1, 0, 0, 0), "mq_unlink": (1,),
}))
