-- Which tasks of an array failed is asked by people; among a hundred million they are few.
create index tasks_failed on tasks (workload, index) where state = 'failed';
